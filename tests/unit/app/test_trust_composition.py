"""What the admission role builds for signatures: verifiers ready before policies are in force, settings that reach it."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.policy.examples import with_spec
from tests.unit.policy.signature_examples import by_notation
from tests.unit.trust.trust_examples import inline, parsed, pem
from tidegate.app.engine import tuf_roots
from tidegate.app.sources import own_namespace, watch_trust_stores, watched_policies
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.exceptions import AllExceptions
from tidegate.cluster.trust import WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.egress.hosts import Reach
from tidegate.policy.model import ImagePolicy
from tidegate.policy.trust_stores import AnyTrustStore
from tidegate.settings import Settings, TrustStoreSettings
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import requirements_of
from tidegate.telemetry.metrics import Metrics
from tidegate.trust.kms_keys import KmsKeys
from tidegate.trust.store_content import broken_store, compile_store, inline_content


class Api:
    """Lists one policy, and takes its status."""

    async def list_objects(self, path: str) -> list[dict[str, Any]]:
        return [with_spec(by_notation(trustStores=["acme"]))]

    async def merge_patch(self, path: str, patch: Any) -> dict[str, Any]:
        return {}


class Stores:
    age_seconds = 7.0

    def __init__(self, *stores: AnyTrustStore) -> None:
        self.stores: tuple[AnyTrustStore, ...] | None = stores

    def current(self) -> tuple[AnyTrustStore, ...] | None:
        return self.stores

    def is_read(self) -> bool:
        return self.stores is not None


class NoKeys:
    def public_key(self, arn: str) -> bytes:
        raise AssertionError(arn)


def acme() -> AnyTrustStore:
    obj = parsed(inline(pem()))
    content = inline_content(obj.source)
    assert content is not None
    return compile_store(obj, content).store


async def test_what_verifies_is_ready_before_the_first_request():
    stores = cast("WatchedTrustStores", Stores(acme()))
    api = cast("KubernetesApi", Api())
    policies = watched_policies(api, WatchedTrust(stores, KmsKeys(NoKeys())), AllExceptions(api))
    assert await policies.resync.refresh_once()
    assert policies._warming is not None
    await policies._warming
    snapshot = policies.current()
    (policy,) = (one for one in snapshot.policies if isinstance(one, ImagePolicy) and one.signatures)
    (requirement,) = requirements_of(policy, snapshot.trust).all
    misses = prepare.cache_info().misses
    assert isinstance(prepare(requirement), NotationVerifier)
    assert prepare.cache_info().misses == misses


def test_the_settings_reach_what_fetches_trusted_roots(tmp_path: Path):
    roots = tuf_roots(TrustStoreSettings(cache_folder=str(tmp_path), private_hosts=("tuf.example.internal",)))
    assert roots._folder == tmp_path
    assert roots._hosts.reach("tuf.example.internal", 443) is Reach.PRIVATE
    assert roots._hosts.reach("tuf.example.com", 443) is None


@pytest.mark.parametrize(
    ("settings", "environment", "namespace"),
    [
        pytest.param(Settings(namespace="gate"), "pod", "gate", id="the configuration file's"),
        pytest.param(Settings(), "pod", "pod", id="the environment's"),
        pytest.param(Settings(), "", None, id="nobody's"),
    ],
)
def test_config_maps_without_a_namespace_are_looked_for_in_the_own_one(monkeypatch, settings, environment, namespace):
    monkeypatch.setenv("POD_NAMESPACE", environment)
    assert own_namespace(settings) == namespace


def test_metrics_count_trust_stores_and_broken_ones():
    metrics = Metrics()
    stores = Stores(acme(), broken_store(parsed(inline(pem()), name="b"), ["x"]).store)
    watch_trust_stores(metrics, cast("WatchedTrustStores", stores))
    page = metrics.render().decode()
    assert "tidegate_trust_stores 2.0" in page
    assert "tidegate_trust_stores_broken 1.0" in page
    assert "tidegate_trust_stores_age_seconds 7.0" in page
    stores.stores = None
    assert "tidegate_trust_stores 0.0" in metrics.render().decode()
