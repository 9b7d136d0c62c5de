"""Policies on a real API server: they appear, change, break and go, and their status says so."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane, wait_for
from tests.e2e.kube.conftest import RunEdge, RunEdges
from tests.e2e.kube.edge import Rights, aside, policy
from tests.simulator.pki.sigstore import public_pem
from tests.waiting import until
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.objects import MAX_REPEATS
from tidegate.cluster.policies import POLICIES_PATH
from tidegate.cluster.policy_status import status_patch
from tidegate.policy.model import BrokenPolicy, ImagePolicy


def fresh_name() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}"


def definition_of(plural: str) -> dict[str, Any]:
    return next(crd for crd in custom_resource_definitions() if crd["spec"]["names"]["plural"] == plural)


def ready_condition(cluster: ControlPlane, name: str) -> dict[str, Any]:
    conditions = cluster.get("imagepolicy", name).get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {})


async def ready_of(cluster: ControlPlane, name: str, generation: int) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        return await aside(ready_condition, cluster, name)

    for _ in range(100):
        condition = await ask()
        if condition.get("observedGeneration") == generation:
            return condition
        await asyncio.sleep(0.1)
    raise TimeoutError(f"no status for generation {generation} of {name}: {condition}")


async def test_nothing_is_known_before_the_first_list(rights: Rights, run_edge: RunEdge) -> None:
    """Unsynced is a state of its own, and never the same as no policies."""
    async with run_edge(rights) as edge:
        assert not edge.policies.current().synced
        assert edge.policies.age_seconds == float("inf")
        await edge.ready()
        assert edge.policies.current().synced
        assert edge.policies.age_seconds < 3600


async def test_a_policy_appears_changes_and_goes_by_the_watch(rights: Rights, run_edge: RunEdge) -> None:
    """Regular lists are an hour apart here, so each change arrives because the watch asked for a list."""
    name, cluster = fresh_name(), rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, policy(name))
        first = await until(lambda: edge.policy(name), what="the policy")
        assert isinstance(first, ImagePolicy)
        assert first.tags is not None
        assert first.tags.immutable
        await aside(cluster.apply, policy(name, tags={"digestRequired": True}))
        second = await until(lambda: (one := edge.policy(name)) and one is not first and one, what="the change")
        assert isinstance(second, ImagePolicy)
        assert second.tags is not None
        assert second.tags.digest_required
        assert not second.tags.immutable
        await aside(cluster.kubectl, "delete", "imagepolicy", name)
        await until(lambda: edge.policy(name) is None, what="the policy's end")


async def test_a_policy_that_applies_is_ready(rights: Rights, run_edge: RunEdge) -> None:
    """kubectl shows it, and a change of the spec keeps the time at which it became ready."""
    name, cluster = fresh_name(), rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, policy(name))
        first = await ready_of(cluster, name, 1)
        assert (first["status"], first["reason"]) == ("True", "Applied")
        listed = await aside(cluster.kubectl, "get", "imagepolicy", name)
        assert "True" in listed.stdout
        await aside(cluster.apply, policy(name, tags={"digestRequired": True}))
        second = await ready_of(cluster, name, 2)
        assert second["lastTransitionTime"] == first["lastTransitionTime"]
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


async def test_writing_a_status_makes_no_new_snapshot(rights: Rights, run_edge: RunEdge) -> None:
    """Remembered verdicts belong to a snapshot, so a snapshot must outlive a change that is none."""
    name, cluster = fresh_name(), rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, policy(name))
        await until(lambda: edge.policy(name), what="the policy")
        snapshot = edge.policies.current()
        await ready_of(cluster, name, 1)
        await aside(cluster.kubectl, "label", "imagepolicy", name, "team=platform")
        assert await edge.policies.resync.refresh_once()
        assert edge.policies.current() is snapshot
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


async def test_replicas_do_not_write_against_each_other(rights: Rights, run_edges: RunEdges) -> None:
    """Three replicas, one status: once it is true, nobody writes again, whoever looks."""
    name, cluster = fresh_name(), rights.cluster
    async with run_edges(rights, 3) as replicas:
        await asyncio.gather(*(edge.ready() for edge in replicas))
        await aside(cluster.apply, policy(name))
        await until(lambda: all(edge.policy(name) for edge in replicas), what="the policy in every replica")
        await ready_of(cluster, name, 1)
        for edge in replicas:
            assert await edge.policies.resync.refresh_once()
        before = await aside(cluster.get, "imagepolicy", name)
        for edge in replicas:
            assert await edge.policies.resync.refresh_once()
        after = await aside(cluster.get, "imagepolicy", name)
        assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


async def test_replicas_of_which_one_cannot_read_a_key_stop_writing(
    rights: Rights, run_edges: RunEdges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write is a watch event for both, and each would correct the other one for ever."""
    name, cluster, written = fresh_name(), rights.cluster, list[int]()
    key = {"kms": f"arn:aws:kms:eu-west-1:111122223333:key/{uuid.uuid4()}"}
    signed = {"anyOf": [{"name": "vendor", "sigstore": {"key": key, "transparencyLog": "NotRequired"}}]}
    pem = public_pem(ec.generate_private_key(ec.SECP256R1()))
    async with run_edges(rights, 2) as replicas:
        monkeypatch.setattr(replicas[0].keys, "_source", SimpleNamespace(public_key=lambda _: pem))
        for number, edge in enumerate(replicas):
            monkeypatch.setattr(edge.api, "merge_patch", counting(edge.api, name, number, written))
        await asyncio.gather(*(edge.ready() for edge in replicas))
        await aside(cluster.apply, policy(name, signatures=signed))
        await until(lambda: min(map(written.count, (0, 1))) >= MAX_REPEATS, what="writes by both")
        await asyncio.sleep(2)
        assert [written.count(number) for number in (0, 1)] == [MAX_REPEATS, MAX_REPEATS]
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


def counting(api: KubernetesApi, name: str, number: int, written: list[int]) -> Callable[..., Awaitable[Any]]:
    """Patch as an API client does, and note the statuses of a policy that were written."""
    patch = api.merge_patch

    async def count(path: str, change: Mapping[str, Any]) -> Any:
        done = await patch(path, change)
        if path.endswith(f"/{name}/status"):
            written.append(number)
        return done

    return count


async def test_a_relist_purges_what_a_lost_watch_missed(rights: Rights, run_edge: RunEdge, monkeypatch: Any) -> None:
    """With every event of the watches lost, a deleted policy still goes, and a new one still comes."""
    monkeypatch.setattr("tidegate.cluster.watches.Watches._tell", lambda *_: None)
    gone, new, cluster = fresh_name(), fresh_name(), rights.cluster
    await aside(cluster.apply, policy(gone))
    async with run_edge(rights, every_seconds=0.5) as edge:
        await until(lambda: edge.policy(gone), what="the policy")
        await aside(cluster.kubectl, "delete", "imagepolicy", gone)
        await until(lambda: edge.policy(gone) is None, what="the policy's end")
        await aside(cluster.apply, policy(new))
        await until(lambda: edge.policy(new), what="the new policy")
        await aside(cluster.kubectl, "delete", "imagepolicy", new)


async def test_the_status_cannot_be_written_onto_a_later_object(rights: Rights, run_edge: RunEdge) -> None:
    """A verdict about an object as it was read is refused by the API server once the object has changed."""
    name, cluster = fresh_name(), rights.cluster
    await aside(cluster.apply, policy(name))
    async with run_edge(rights) as edge:
        await edge.ready()
        await ready_of(cluster, name, 1)
        stale = await aside(cluster.get, "imagepolicy", name)
        await aside(cluster.kubectl, "label", "imagepolicy", name, "team=platform")
        stale["status"] = {}
        seen = edge.policy(name)
        assert seen is not None
        await edge.policies._write_statuses([(name, seen.uid, status_patch(stale, seen, datetime.now(UTC)))])
        now = await aside(cluster.get, "imagepolicy", name)
        assert now["metadata"]["generation"] == 1
        assert now["status"]["conditions"]
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


async def test_a_broken_policy_is_named_and_keeps_the_others(lonely_rights: Rights, run_edge: RunEdge) -> None:
    """A CRD that lets nonsense through, as one of another version may: the object is broken and says why."""
    cluster, good, bad = lonely_rights.cluster, fresh_name(), fresh_name()
    strict = definition_of("imagepolicies")
    lax = copy.deepcopy(strict)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = anything
    await aside(cluster.apply, lax)
    try:
        await aside(cluster.apply, policy(good))
        # The API server takes it only with the changed schema, a moment after the change.
        nonsense = policy(bad, tags={"imutable": True})
        await aside(wait_for, lambda: cluster.apply(nonsense, check=False).returncode == 0, what="the lax schema")
        async with run_edge(lonely_rights) as edge:
            broken = await until(lambda: edge.policy(bad), what="the broken policy")
            assert isinstance(broken, BrokenPolicy)
            assert isinstance(edge.policy(good), ImagePolicy)
            condition = await ready_of(cluster, bad, 1)
            assert (condition["status"], condition["reason"]) == ("False", "Broken")
            assert "spec.tags.imutable" in condition["message"]
            await aside(cluster.apply, policy(bad))
            await until(lambda: isinstance(edge.policy(bad), ImagePolicy), what="the repaired policy")
            repaired = await ready_of(cluster, bad, 2)
            assert repaired["status"] == "True"
    finally:
        await aside(cluster.kubectl, "delete", "imagepolicies", "--all")
        await aside(cluster.apply, strict)


async def test_a_deleted_crd_does_not_end_the_process(lonely_rights: Rights, run_edge: RunEdge) -> None:
    """kopf's watch ends for good then; the host goes on, and policies are watched again once the CRD is back."""
    cluster, name = lonely_rights.cluster, fresh_name()
    async with run_edge(lonely_rights) as edge:
        await edge.ready()
        await aside(cluster.kubectl, "delete", "crd/imagepolicies.tidegate.dev")
        await until(lambda: "404" in edge.policies.resync.problem, what="the failing list")
        assert edge.policies.current().synced
        assert not edge.host.drained
        await aside(cluster.apply_definitions, custom_resource_definitions())
        await until(lambda: not edge.policies.resync.problem, what="the list that works again")
        await aside(cluster.apply, policy(name))
        await until(lambda: edge.policy(name), what="the policy, by a watch")
        await aside(cluster.kubectl, "delete", "imagepolicy", name)


async def test_the_path_is_the_one_of_the_crd(rights: Rights) -> None:
    """What is listed is what the chart installs."""
    crd = definition_of("imagepolicies")
    group, names = crd["spec"]["group"], crd["spec"]["names"]
    assert f"/apis/{group}/{crd['spec']['versions'][0]['name']}/{names['plural']}" == POLICIES_PATH
