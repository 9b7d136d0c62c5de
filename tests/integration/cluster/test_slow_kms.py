"""A policy that is tightened while AWS KMS is slow, and other policies wait for keys in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from tests.simulator import Simulator
from tests.simulator.faults import FaultKind
from tests.unit.policy.signature_examples import by_sigstore
from tidegate.aws.accounts import AwsSettings
from tidegate.aws.clients import Clients
from tidegate.aws.kms import Kms
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust import WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.policy.model import ImagePolicy
from tidegate.trust.kms_keys import NOT_YET, KmsKeys

SLOW_SECONDS = 8.0


class Api:
    """The policies of a cluster."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}

    def apply(self, name: str, spec: dict[str, Any]) -> None:
        generation = self.policies.get(name, {"metadata": {"generation": 0}})["metadata"]["generation"] + 1
        metadata = {"name": name, "uid": name, "generation": generation, "resourceVersion": str(generation)}
        self.policies[name] = {"metadata": metadata, "spec": spec}

    async def list_objects(self, _path: str) -> list[dict[str, Any]]:
        return list(self.policies.values())

    async def merge_patch(self, _path: str, _patch: Any) -> dict[str, Any]:
        return {}


class NoStores:
    """A cluster without trust stores."""

    on_change: Callable[[], None] | None = None

    def current(self) -> tuple[()]:
        return ()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def policies(sim: Simulator, api: Api) -> AsyncIterator[WatchedPolicies]:
    settings = AwsSettings(endpoint_urls=dict.fromkeys(("kms", "sts"), sim.url), attempts=1, read_timeout_seconds=20.0)
    keys = KmsKeys(Kms(Clients(settings)))
    trust = WatchedTrust(cast("WatchedTrustStores", NoStores()), keys)
    policies = WatchedPolicies(cast("KubernetesApi", api), trust=trust)
    tasks = [asyncio.create_task(policies.run()), asyncio.create_task(keys.run())]
    yield policies
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not question():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_it_counts_at_once_and_what_is_not_read_is_undetermined_for_its_authority_alone(
    policies, api, world, sim
):
    slow, quick = world.add_kms_key("slow"), world.add_kms_key("quick")
    late = sim.inject(FaultKind.LATENCY, service="kms", about=slow.arn, seconds=SLOW_SECONDS)
    for number, key in enumerate((slow, quick)):
        api.apply(f"signed-{number}", by_sigstore(key={"kms": key.arn}, transparencyLog="NotRequired"))
    api.apply("tags", {"tags": {"immutable": False}})
    policies.mark_dirty()
    await until(lambda: late.hits)
    began = time.monotonic()
    api.apply("tags", {"tags": {"immutable": True}})
    policies.mark_dirty()
    await until(lambda: immutable(policies))
    await until(lambda: policies.current().trust.keys.get(quick.arn) == quick.public_pem)
    assert time.monotonic() - began < SLOW_SECONDS / 2
    assert policies.current().trust.keys[slow.arn] == NOT_YET
    await until(lambda: policies.current().trust.keys[slow.arn] == slow.public_pem)


def immutable(policies: WatchedPolicies) -> bool:
    found = [one for one in policies.current().policies if one.name == "tags"]
    return any(isinstance(one, ImagePolicy) and one.tags is not None and one.tags.immutable for one in found)
