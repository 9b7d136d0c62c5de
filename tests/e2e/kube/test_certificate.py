"""The certificate that replicas share on a real API server, and the caBundle that makes it trusted."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from cryptography import x509

from tests.chart.render import find_all, webhook_configuration
from tests.e2e.kube.edge import Edge, Rights, aside
from tidegate.cluster.api import ApiError
from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate import CaBundle, ServingPair, SharedCertificate
from tidegate.webhook.certificate.material import make_authority

NOW = dt.datetime.now(dt.UTC)
Replica = Callable[..., SharedCertificate]


@pytest.fixture
async def replica(rights: Rights, lone_edge: Edge) -> AsyncIterator[Replica]:
    """Give what makes one more replica's view of the certificate, with an empty Secret and no configuration to begin with."""
    cluster, name = rights.cluster, rights.name
    await aside(make_secret, rights)

    def make(*, dns_names: tuple[str, ...] = (), now: dt.datetime = NOW) -> SharedCertificate:
        return SharedCertificate(
            lone_edge.api,
            namespace=rights.namespace,
            secret_name=f"{name}-tls",
            service_name=name,
            dns_names=dns_names,
            bundle=CaBundle(lone_edge.api, name, now=lambda: now),
            now=lambda: now,
        )

    yield make
    await aside(make_secret, rights)
    await aside(cluster.kubectl, "delete", "validatingwebhookconfiguration", name, check=False)


def make_secret(rights: Rights) -> None:
    """Make the Secret anew, as the chart does."""
    delete_secret(rights)
    rights.cluster.apply(find_all(rights.render(), "Secret"))


def delete_secret(rights: Rights) -> None:
    where = f"--namespace={rights.namespace}"
    rights.cluster.kubectl("delete", "secret", f"{rights.name}-tls", where, "--ignore-not-found")


def install_webhooks(rights: Rights) -> None:
    two = {"auditOnly": False, "namespaces": {"enforced": [f"nobody-{rights.name}"]}}
    configuration = webhook_configuration(rights.render(two))
    for hook in configuration["webhooks"]:
        # Nobody answers for these webhooks, so they must be about no namespace that a test uses.
        nobody = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [f"nobody-{rights.name}"]}]
        hook["namespaceSelector"] = {"matchExpressions": nobody}
    rights.cluster.apply(configuration)


def bundles(rights: Rights) -> list[list[x509.Certificate]]:
    configuration = rights.cluster.get("validatingwebhookconfiguration", rights.name)
    return [
        x509.load_pem_x509_certificates(base64.b64decode(hook["clientConfig"]["caBundle"]))
        for hook in configuration["webhooks"]
    ]


def secret(rights: Rights) -> dict[str, Any]:
    return rights.cluster.get("secret", f"{rights.name}-tls", f"--namespace={rights.namespace}")


def authority_of(pair: ServingPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.trust_pem)


async def test_replicas_that_start_at_once_have_one_certificate(rights: Rights, replica: Replica) -> None:
    """Five of them race to fill the Secret; every one serves what is in it."""
    pairs = await asyncio.gather(*(replica().obtain() for _ in range(5)))
    stored = await aside(secret, rights)
    assert {pair.certificate_pem for pair in pairs} == {base64.b64decode(stored["data"]["tls.crt"])}
    assert {pair.trust_pem for pair in pairs} == {base64.b64decode(stored["data"]["ca.crt"])}
    assert stored["type"] == "Opaque"
    assert stored["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    leaf = x509.load_pem_x509_certificate(pairs[0].certificate_pem)
    leaf.verify_directly_issued_by(authority_of(pairs[0]))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{rights.name}.{rights.namespace}.svc"]


async def test_a_foreign_secret_is_refused_and_left_alone(rights: Rights, replica: Replica) -> None:
    """Exactly one owner: what we did not label may be somebody's own certificate."""
    await aside(delete_secret, rights)
    await aside(
        rights.cluster.kubectl,
        *("create", "secret", "generic", f"{rights.name}-tls", f"--namespace={rights.namespace}"),
        "--from-literal=tls.crt=theirs",
    )
    with pytest.raises(ConfigurationError, match=r"lacks the label tidegate.dev/certificate=self"):
        await replica().obtain()
    assert (await aside(secret, rights))["data"] == {"tls.crt": base64.b64encode(b"theirs").decode()}


async def test_a_certificate_is_renewed_in_time_under_its_authority(rights: Rights, replica: Replica) -> None:
    """The old one is good for another month and the authority stays, so nobody has to hurry and nothing has to change."""
    first = await replica().obtain()
    day_59 = await replica(now=NOW + dt.timedelta(days=59)).obtain()
    assert day_59 == first
    running = replica(now=NOW)
    await running.obtain()
    later = NOW + dt.timedelta(days=61)
    renewed = await asyncio.gather(*(replica(now=later).obtain() for _ in range(3)))
    assert len({pair.certificate_pem for pair in renewed}) == 1
    assert renewed[0].certificate_pem != first.certificate_pem
    assert renewed[0].trust_pem == first.trust_pem
    assert first.expires_at > later

    reloaded: list[tuple[bytes, bytes]] = []
    running._now = lambda: later
    await follow(running, reloaded)
    assert reloaded == [(renewed[0].certificate_pem, renewed[0].key_pem)]


async def follow(running: SharedCertificate, reloaded: list[tuple[bytes, bytes]], *, times: int = 1) -> None:
    """Let a running replica look at the Secret again, as it does every minute."""
    running._reload = lambda certificate, key: reloaded.append((certificate, key))
    for _ in range(times):
        assert await running.resync.refresh_once(), running.resync.problem


async def test_a_missing_name_is_added_and_none_is_taken_away(rights: Rights, replica: Replica) -> None:
    """During a rolling update replicas of two configurations must not renew against each other."""
    await replica(dns_names=("old.example.internal",)).obtain()
    after = await replica(dns_names=("new.example.internal",)).obtain()
    names = x509.load_pem_x509_certificate(after.certificate_pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert {"old.example.internal", "new.example.internal"} <= set(names.value.get_values_for_type(x509.DNSName))
    assert await replica(dns_names=("old.example.internal",)).obtain() == after


async def test_the_bundle_is_filled_in_each_webhook(rights: Rights, replica: Replica) -> None:
    """The chart installs the configuration without one; until it is filled the server isn't ready."""
    await aside(install_webhooks, rights)
    running = replica()
    pair = await running.obtain()
    assert running.unmet()
    assert await running.resync.refresh_once()
    assert running.unmet() == []
    assert await aside(bundles, rights) == [[authority_of(pair)], [authority_of(pair)]]


async def test_helm_can_set_the_bundle_that_was_filled(rights: Rights, replica: Replica) -> None:
    """helm applies on the server's side, where a field of another owner can't be changed without force."""
    await aside(install_webhooks, rights)
    running = replica()
    await running.obtain()
    assert await running.resync.refresh_once()
    stored = await aside(rights.cluster.get, "validatingwebhookconfiguration", rights.name, "--show-managed-fields")
    assert {one["manager"] for one in stored["metadata"].pop("managedFields")} == {"kubectl-client-side-apply"}
    value = base64.b64encode(make_authority(NOW).certificate_pem).decode()
    for hook in stored["webhooks"]:
        hook["clientConfig"]["caBundle"] = value
    patch = {key: stored[key] for key in ("apiVersion", "kind", "webhooks")} | {"metadata": {"name": rights.name}}
    await aside(rights.cluster.apply, patch, "--server-side", "--field-manager=kubectl-client-side-apply")
    after = await aside(rights.cluster.get, "validatingwebhookconfiguration", rights.name)
    assert {hook["clientConfig"]["caBundle"] for hook in after["webhooks"]} == {value}


async def test_a_bundle_that_is_emptied_is_filled_again_and_others_stay(rights: Rights, replica: Replica) -> None:
    """Another authority is what replicas before us serve under; one that has expired helps nobody."""
    await aside(install_webhooks, rights)
    running = replica()
    pair = await running.obtain()
    theirs = make_authority(NOW).certificate_pem
    expired = make_authority(NOW - dt.timedelta(days=4000)).certificate_pem
    value = base64.b64encode(theirs + expired).decode()
    patch = f'[{{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "{value}"}}]'
    await aside(
        rights.cluster.kubectl,
        *("patch", "validatingwebhookconfiguration", rights.name, "--type=json", f"--patch={patch}"),
    )
    assert await running.resync.refresh_once()
    first, second = await aside(bundles, rights)
    assert first == [x509.load_pem_x509_certificate(theirs), authority_of(pair)]
    assert second == [authority_of(pair)]
    before = await aside(rights.cluster.get, "validatingwebhookconfiguration", rights.name)
    assert await running.resync.refresh_once()
    after = await aside(rights.cluster.get, "validatingwebhookconfiguration", rights.name)
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_replicas_fill_the_bundle_together(rights: Rights, replica: Replica) -> None:
    """Each patch holds only for the configuration as it was read, so none undoes another's."""
    await aside(install_webhooks, rights)
    running = [replica() for _ in range(4)]
    await asyncio.gather(*(one.obtain() for one in running))
    assert all(await asyncio.gather(*(one.resync.refresh_once() for one in running)))
    for bundle in await aside(bundles, rights):
        assert len(bundle) == 1


async def test_no_configuration_is_no_reason_not_to_be_ready(rights: Rights, replica: Replica) -> None:
    """Nobody is refused by a webhook that isn't there."""
    running = replica()
    await running.obtain()
    assert await running.resync.refresh_once()
    assert running.unmet() == []
    assert running._bundle.missing


async def test_without_the_secret_a_replica_goes_on_serving_and_says_who_makes_it(
    rights: Rights, replica: Replica
) -> None:
    """The controller may not make it; `obtain` waits for helm."""
    running = replica()
    pair = await running.obtain()
    await aside(delete_secret, rights)
    assert not await running.resync.refresh_once()
    assert "is missing; run helm upgrade" in running.resync.problem
    assert running.present == pair
    starting = asyncio.create_task(replica().obtain())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(starting), 1)
    await aside(make_secret, rights)
    assert (await asyncio.wait_for(starting, 30)).trust_pem != pair.trust_pem


async def test_a_new_authority_is_trusted_before_it_is_served(rights: Rights, replica: Replica) -> None:
    """Somebody deleted the Secret and helm made it again: the next replica makes another authority, and the one that runs
    takes its time.
    """
    await aside(install_webhooks, rights)
    running = replica()
    old = await running.obtain()
    reloaded: list[tuple[bytes, bytes]] = []
    await follow(running, reloaded)
    await aside(make_secret, rights)
    new = await replica().obtain()
    assert new.trust_pem != old.trust_pem
    await follow(running, reloaded)
    assert reloaded == []
    assert await aside(bundles, rights) == [[authority_of(old), authority_of(new)]] * 2
    await follow(running, reloaded)
    assert reloaded == [(new.certificate_pem, new.key_pem)]


async def test_the_rights_end_at_the_one_secret_and_the_one_configuration(rights: Rights, lone_edge: Edge) -> None:
    """What the chart grants is used here; what it does not grant is refused."""
    with pytest.raises(ApiError) as other_secret:
        await lone_edge.api.get(f"/api/v1/namespaces/{rights.namespace}/secrets/another")
    assert other_secret.value.status == 403
    with pytest.raises(ApiError) as other_hooks:
        await CaBundle(lone_edge.api, "another").ensure(make_authority(NOW).certificate_pem)
    assert other_hooks.value.status == 403
