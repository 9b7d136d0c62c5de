"""TrustStores on a real API server: they appear, change, break and go, and each status, of policies too, says so."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane
from tests.e2e.kube.conftest import RunEdge, RunEdges
from tests.e2e.kube.edge import Edge, Rights, aside, policy
from tests.objects import trust_store
from tests.simulator.tuf_repository import TufRepository
from tests.unit.trust.trust_examples import inline, pem, trusted_root
from tests.waiting import until
from tidegate.egress.hosts import HostList
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType, TrustStore
from tidegate.trust.tuf.repository import TufRoots


@pytest.fixture
def name(rights: Rights) -> Iterator[str]:
    """Give a name for the test's own trust store and policy, and remove both."""
    own = f"trust-{uuid.uuid4().hex[:8]}"
    yield own
    for kind in ("truststore", "imagepolicy"):
        rights.cluster.kubectl("delete", kind, own, "--ignore-not-found", "--wait=false")


def config_map(rights: Rights, name: str, namespace: str | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace or rights.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def signed_by(name: str, store: str) -> dict[str, Any]:
    notation = {"trustStores": [store], "trustedIdentities": ["*"]}
    return policy(name, signatures={"anyOf": [{"name": "release", "notation": notation}]})


async def condition(cluster: ControlPlane, kind: str, name: str, reason: str, *, saying: str = "") -> dict[str, Any]:
    """Wait until the condition Ready has a reason, and a text in its message, and return it."""
    found: dict[str, Any] = {}
    for _ in range(200):
        status = (await aside(cluster.get, kind, name)).get("status", {})
        found = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), {})
        if found.get("reason") == reason and saying in found.get("message", ""):
            return found
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{kind} {name} has never been {reason}: {found}")


def certificates(edge: Edge, name: str) -> tuple[bytes, ...]:
    """Return the certificates of a trust store that is in force, none of one that is broken."""
    found = edge.trust_store(name)
    return found.certificates if isinstance(found, TrustStore) else ()


async def in_force(edge: Edge, name: str) -> TrustStore:
    """Wait until a trust store is in the snapshot that policies are judged by, and not broken."""

    def ask() -> TrustStore | None:
        found = edge.trust_store(name)
        return found if isinstance(found, TrustStore) else None

    return await until(ask, what=f"the trust store {name}")


async def test_a_trust_store_appears_changes_and_goes_by_the_watch(
    rights: Rights, run_edge: RunEdge, name: str
) -> None:
    """Regular lists are an hour apart here, so each change arrives because the watch asked for a list."""
    cluster = rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, trust_store(name, inline(pem())))
        first = await in_force(edge, name)
        assert (first.type, first.certificates) == (StoreType.CA, (pem().encode(),))
        await aside(cluster.apply, trust_store(name, inline(pem("Other"), type_="tsa")))
        second = await until(lambda: (one := edge.trust_store(name)) is not first and one, what="the change")
        assert isinstance(second, TrustStore)
        assert (second.type, second.certificates) == (StoreType.TSA, (pem("Other").encode(),))
        await aside(cluster.kubectl, "delete", "truststore", name)
        await until(lambda: edge.trust_store(name) is None, what="the trust store's end")


async def test_its_status_says_what_it_holds_and_kubectl_shows_it(rights: Rights, run_edge: RunEdge, name: str) -> None:
    cluster = rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, trust_store(name, inline(pem(), pem("Other"))))
        assert (await condition(cluster, "truststore", name, "Read"))["status"] == "True"
        status = (await aside(cluster.get, "truststore", name))["status"]
        assert status["certificateCount"] == 2
        assert [one["subject"].split(",")[0] for one in status["certificates"]] == ["CN=Acme CA", "CN=Other CA"]
        listed = (await aside(cluster.kubectl, "get", "truststores", name, "--no-headers")).stdout.split()
        assert listed[:4] == [name, "ca", "True", "2"]


async def test_a_broken_one_says_why_breaks_no_other_and_recovers(rights: Rights, run_edge: RunEdge, name: str) -> None:
    cluster = rights.cluster
    broken = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, trust_store(name, inline(pem())))
        await in_force(edge, name)
        await aside(cluster.apply, trust_store(name, inline(pem(), broken)))
        said = await condition(cluster, "truststore", name, "Broken")
        assert said["status"] == "False"
        assert 'failed to read the trusted certificate "certificates[1]"' in said["message"]
        await until(lambda: isinstance(edge.trust_store(name), BrokenTrustStore), what="its end in the snapshot")
        assert "certificateCount" not in (await aside(cluster.get, "truststore", name))["status"]
        await aside(cluster.apply, trust_store(name, inline(pem())))
        await condition(cluster, "truststore", name, "Read")
        await in_force(edge, name)


async def test_a_policy_s_status_follows_the_trust_stores_that_it_names(
    rights: Rights, run_edge: RunEdge, name: str
) -> None:
    """Missing, broken and there: the policy is in force all the time."""
    cluster = rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, signed_by(name, name))
        missing = await condition(cluster, "imagepolicy", name, "TrustIncomplete")
        assert missing["status"] == "False"
        assert f"authority release: trust store {name} does not exist" in missing["message"]
        assert edge.policy(name) is not None
        await aside(cluster.apply, trust_store(name, inline(pem())))
        assert (await condition(cluster, "imagepolicy", name, "Applied"))["status"] == "True"
        await aside(cluster.kubectl, "delete", "truststore", name)
        await condition(cluster, "imagepolicy", name, "TrustIncomplete")
        assert edge.policy(name) is not None


async def test_replicas_do_not_write_against_each_other(rights: Rights, run_edges: RunEdges, name: str) -> None:
    cluster = rights.cluster
    async with run_edges(rights, 2) as (one, two):
        await asyncio.gather(one.ready(), two.ready())
        await aside(cluster.apply, trust_store(name, inline(pem())))
        await asyncio.gather(in_force(one, name), in_force(two, name))
        await condition(cluster, "truststore", name, "Read")
        for edge in (one, two):
            assert await edge.trust_stores.resync.refresh_once()
        before = await aside(cluster.get, "truststore", name)
        for edge in (one, two):
            assert await edge.trust_stores.resync.refresh_once()
        after = await aside(cluster.get, "truststore", name)
        assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


class TestConfigMaps:
    async def test_one_of_the_own_namespace_is_read_with_the_keys_that_are_named(
        self, rights: Rights, run_edge: RunEdge, name: str
    ) -> None:
        cluster = rights.cluster
        await aside(cluster.apply, config_map(rights, name, **{"b.crt": pem("Other"), "a.crt": pem(), "notes": "x"}))
        async with run_edge(rights, namespace=rights.namespace) as edge:
            await edge.ready()
            spec = {"type": "ca", "configMap": {"name": name, "keys": ["b.crt"]}}
            await aside(cluster.apply, trust_store(name, spec))
            assert (await in_force(edge, name)).certificates == (pem("Other").encode(),)

    async def test_what_changes_in_it_is_read_with_the_next_list(
        self, rights: Rights, run_edge: RunEdge, name: str
    ) -> None:
        cluster = rights.cluster
        async with run_edge(rights, namespace=rights.namespace) as edge:
            await edge.ready()
            await aside(cluster.apply, trust_store(name, {"type": "ca", "configMap": {"name": name}}))
            said = await condition(cluster, "truststore", name, "Broken")
            assert said["message"] == f"ConfigMap {rights.namespace}/{name} does not exist"
            for certificate in (pem(), pem("Other")):
                await aside(cluster.apply, config_map(rights, name, ca=certificate))
                assert await edge.trust_stores.resync.refresh_once()
                wanted = (certificate.encode(),)
                await until(lambda wanted=wanted: certificates(edge, name) == wanted, what="its content")  # type: ignore[misc]

    async def test_one_that_may_not_be_read_says_what_to_do_and_no_role_reads_it(
        self, rights: Rights, run_edge: RunEdge, name: str
    ) -> None:
        cluster = rights.cluster
        namespace = await aside(cluster.create_namespace)
        await aside(cluster.apply, config_map(rights, name, namespace, ca=pem()))
        async with run_edge(rights, namespace=rights.namespace) as edge:
            await edge.ready()
            spec = {"type": "ca", "configMap": {"name": name, "namespace": namespace}}
            await aside(cluster.apply, trust_store(name, spec))
            said = await condition(cluster, "truststore", name, "Broken")
            assert f"add {namespace} to the chart's value trustStores.configMapNamespaces" in said["message"]


async def test_roots_that_tidegate_brings(rights: Rights, run_edge: RunEdge, name: str) -> None:
    cluster = rights.cluster
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, trust_store(name, {"type": "signingAuthority", "builtIn": "AWSSigner"}))
        await in_force(edge, name)
        await condition(cluster, "truststore", name, "Read")
        status = (await aside(cluster.get, "truststore", name))["status"]
        assert status["certificateCount"] == 1
        assert "AWS" in status["certificates"][0]["subject"]


async def test_a_trusted_root_is_fetched_by_tuf_and_fetched_again(
    rights: Rights, run_edge: RunEdge, name: str, tmp_path: Path
) -> None:
    cluster = rights.cluster
    with TufRepository(trusted_root().encode()) as repository:
        roots = TufRoots(tmp_path, hosts=HostList((), [repository.host]))
        async with run_edge(rights, roots=roots) as edge:
            await edge.ready()
            spec = {"type": "sigstore", "tuf": {"url": repository.url, "root": repository.root_json.decode()}}
            await aside(cluster.apply, trust_store(name, spec))
            assert (await in_force(edge, name)).trusted_root == trusted_root().encode()
            await condition(cluster, "truststore", name, "Read")
            status = (await aside(cluster.get, "truststore", name))["status"]
            assert status["refreshedTime"]
            assert status["trustedRoot"] == {
                "sha256": hashlib.sha256(trusted_root().encode()).hexdigest(),
                "certificateAuthorities": 1,
                "certificateLogs": 1,
                "transparencyLogs": 1,
                "timestampAuthorities": 1,
            }


async def test_a_trusted_root_that_cannot_be_fetched_says_why(
    rights: Rights, run_edge: RunEdge, name: str, tmp_path: Path
) -> None:
    """A repository on a private address that nobody listed is not even asked."""
    cluster = rights.cluster
    with TufRepository(trusted_root().encode()) as repository:
        async with run_edge(rights, roots=TufRoots(tmp_path, hosts=HostList(()))) as edge:
            await edge.ready()
            spec = {"type": "sigstore", "tuf": {"url": repository.url, "root": repository.root_json.decode()}}
            await aside(cluster.apply, trust_store(name, spec))
            for _ in range(200):
                said = await condition(cluster, "truststore", name, "Broken")
                if "could not be fetched" in said["message"]:
                    break
                await asyncio.sleep(0.05)
            assert f"it could not be fetched from {repository.url}; tidegate's log has the cause" in said["message"]
        assert repository.requests == []


async def test_without_the_right_to_read_trust_stores_only_authorities_that_need_them_are_undetermined(
    rights: Rights, run_edge: RunEdge, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies are in force at once, and what they rely on is broken. Only a process that just started is not ready."""
    cluster = rights.cluster
    refused = "/apis/tidegate.dev/v1alpha1/nothing-that-may-be-read"
    monkeypatch.setattr("tidegate.cluster.trust_stores.TRUST_STORES_PATH", refused)
    async with run_edge(rights) as edge:
        await edge.ready()
        await aside(cluster.apply, signed_by(name, name))
        await until(lambda: edge.policy(name), what="the policy")
        assert isinstance(edge.trust_store(name), BrokenTrustStore)
        await condition(cluster, "imagepolicy", name, "TrustIncomplete", saying=f"trust store {name} is invalid")
    async with run_edge(rights) as second:
        await until(lambda: second.trust_stores.resync.failures, what="a refused list")
        await until(lambda: second.policy(name), what="the policy")
        assert second.policies.is_loading()
        await until(lambda: not second.policies.is_loading(), what="the end of the wait")


async def test_without_the_crd_there_are_none_and_policies_are_watched_all_the_same(
    lonely_rights: Rights, run_edge: RunEdge
) -> None:
    """A cluster that was upgraded without its CRDs. Once it is there, trust stores are watched without a restart."""
    cluster, name = lonely_rights.cluster, f"trust-{uuid.uuid4().hex[:8]}"
    crd = "crd/truststores.tidegate.dev"
    await aside(cluster.kubectl, "delete", crd)
    async with run_edge(lonely_rights, every_seconds=1) as edge:
        await edge.ready()
        await until(lambda: edge.trust_stores.current() == (), what="the first list of trust stores")
        await aside(cluster.apply, signed_by(name, name))
        await until(lambda: edge.policy(name), what="the policy")
        assert not edge.host.drained
        await aside(cluster.apply_definitions, custom_resource_definitions())
        await aside(cluster.apply, trust_store(name, inline(pem())))
        await in_force(edge, name)
        await condition(cluster, "imagepolicy", name, "Applied")
    async with run_edge(lonely_rights) as edge:
        await edge.ready()
        await aside(cluster.kubectl, "delete", crd)
        # kopf's watch ends with the resource, and each new operator asks for new lists.
        await until(lambda: edge.trust_store(name) is None, what="the trust store's end")
        await condition(cluster, "imagepolicy", name, "TrustIncomplete")
        await aside(cluster.kubectl, "delete", "imagepolicy", name)
        await until(lambda: edge.policy(name) is None, what="the policy's end")
        assert not edge.host.drained
        await aside(cluster.apply_definitions, custom_resource_definitions())
