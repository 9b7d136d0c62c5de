"""Another authority in the Secret: the API servers are told of it one refresh before it is served."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, cast

import pytest

from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.webhook.certificate import CaBundle, SharedCertificate
from tidegate.webhook.certificate.secret import OWNER, OWNER_LABEL, SECRET_TYPE

NOW = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)


class Secrets:
    """Holds one Secret, as the API server does: at first what the chart makes."""

    def __init__(self) -> None:
        self.version = 0
        self.empty()

    def empty(self) -> None:
        """Lose the content, as when the chart makes the Secret again."""
        self._store({"metadata": {"labels": {OWNER_LABEL: OWNER}}, "type": SECRET_TYPE})

    async def get(self, _path: str) -> dict[str, Any]:
        return self.stored

    async def replace(self, _path: str, secret: dict[str, Any]) -> dict[str, Any]:
        assert secret["metadata"]["resourceVersion"] == str(self.version)
        return self._store(secret)

    def _store(self, secret: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.stored = {**secret, "metadata": {**secret["metadata"], "resourceVersion": str(self.version)}}
        return self.stored


class Bundle:
    """Notes which authorities were put into the caBundle."""

    def __init__(self) -> None:
        self.trusted: list[bytes] = []
        self.is_forbidden = False

    async def ensure(self, authority_pem: bytes) -> None:
        if self.is_forbidden:
            raise ApiError("forbidden", status=403)
        self.trusted.append(authority_pem)

    def unmet(self) -> list[str]:
        return ["the caBundle lacks the authority"] if self.is_forbidden else []


class Replica:
    """A running replica, and what it was told to serve."""

    def __init__(self, secrets: Secrets, *, dns_names: Sequence[str] = ()) -> None:
        self.bundle, self.pinning_bundle = Bundle(), Bundle()
        self.served: list[bytes] = []
        self.now = NOW
        self.certificate = SharedCertificate(
            cast("KubernetesApi", secrets),
            namespace="n",
            secret_name="s",
            service_name="tidegate",
            dns_names=dns_names,
            bundle=cast("CaBundle", self.bundle),
            pinning_bundle=cast("CaBundle", self.pinning_bundle),
            now=lambda: self.now,
        )
        self.certificate._reload = lambda certificate, _key: self.served.append(certificate)

    async def refresh(self) -> None:
        assert await self.certificate.resync.refresh_once(), self.certificate.resync.problem


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


async def replaced(secrets: Secrets) -> tuple[Replica, bytes]:
    """Return a replica that runs while another one has made a new authority, and what that one serves."""
    running, other = Replica(secrets), Replica(secrets)
    await running.certificate.obtain()
    await running.refresh()
    secrets.empty()
    pair = await other.certificate.obtain()
    assert running.certificate.present is not None
    assert pair.trust_pem != running.certificate.present.trust_pem
    return running, pair.certificate_pem


async def test_a_new_authority_is_in_the_bundle_one_refresh_before_it_is_served(secrets: Secrets) -> None:
    """API servers learn of the caBundle by a watch; served at once, the certificate would be refused meanwhile."""
    running, new = await replaced(secrets)
    before = len(running.bundle.trusted)
    await running.refresh()
    assert len(running.bundle.trusted) == before + 1
    assert running.served == [], "only trusted so far"
    await running.refresh()
    assert running.served == [new]
    await running.refresh()
    assert running.served == [new], "once"


async def test_another_new_authority_waits_for_its_own_refresh(secrets: Secrets) -> None:
    running, _ = await replaced(secrets)
    await running.refresh()
    secrets.empty()
    newest = await Replica(secrets).certificate.obtain()
    await running.refresh()
    assert running.served == []
    await running.refresh()
    assert running.served == [newest.certificate_pem]


async def test_an_expired_certificate_waits_for_nothing(secrets: Secrets) -> None:
    """The one that is served helps nobody any more."""
    running, _ = await replaced(secrets)
    assert running.certificate.present is not None
    running.now = running.certificate.present.expires_at
    await running.refresh()
    assert len(running.served) == 1


async def test_a_renewal_under_the_same_authority_is_served_at_once(secrets: Secrets) -> None:
    running, other = Replica(secrets), Replica(secrets)
    await running.certificate.obtain()
    other.now = running.now = NOW + dt.timedelta(days=61)
    renewed = await other.certificate.obtain()
    await running.refresh()
    assert running.served == [renewed.certificate_pem]


async def test_the_mutating_configuration_trusts_the_same_authority(secrets: Secrets) -> None:
    replica = Replica(secrets)
    await replica.certificate.obtain()
    await replica.refresh()
    assert replica.pinning_bundle.trusted == replica.bundle.trusted != []


async def test_a_mutating_configuration_that_cannot_be_written_holds_up_neither_readiness_nor_renewal(
    secrets: Secrets,
) -> None:
    running, new = await replaced(secrets)
    running.pinning_bundle.is_forbidden = True
    await running.refresh()
    assert running.certificate.unmet() == []
    await running.refresh()
    assert running.served == [new]


async def test_replicas_with_as_many_names_as_there_may_be_do_not_undo_each_other_s_certificate(
    secrets: Secrets,
) -> None:
    """During a rolling update that replaces all names: the certificate is for the old ones and the new ones."""
    old, new = (Replica(secrets, dns_names=[f"{kind}{n}.example" for n in range(49)]) for kind in ("old", "new"))
    await old.certificate.obtain()
    for _ in range(5):
        await new.refresh()
        await old.refresh()
    assert secrets.version == 3, "one certificate by each"
