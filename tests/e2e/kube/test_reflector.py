"""The reflector on a real API server: what is in the sink is what the API server has, whatever happened between."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.cluster import ControlPlane
from tests.e2e.kube.edge import Rights, aside
from tests.relay import Relay, relay
from tests.waiting import until
from tidegate.cluster import reflector as module
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.reflector import Reflector


class Thing(msgspec.Struct):
    """What is decoded of a ConfigMap."""

    data: dict[str, str] = {}


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.objects: dict[str, Thing] = {}
        self.lists = 0
        self.puts = 0

    def put(self, key: str, obj: Thing) -> None:
        self.objects[key] = obj
        self.puts += 1

    def drop(self, key: str) -> None:
        self.objects.pop(key, None)

    def listed(self) -> None:
        self.lists += 1

    def has(self, key: str, **data: str) -> bool:
        return key in self.objects and self.objects[key].data == data


class Watched:
    """A reflector of the ConfigMaps of a namespace, behind a relay."""

    def __init__(self, cluster: ControlPlane, namespace: str, relay_: Relay, api: KubernetesApi) -> None:
        self.cluster, self.namespace, self.relay = cluster, namespace, relay_
        self.sink = Kept()
        self.reflector = Reflector(
            "things",
            api,
            f"/api/v1/namespaces/{namespace}/configmaps",
            decode=msgspec.json.Decoder(Thing).decode,
            sink=self.sink,
            query={"labelSelector": "watched=yes"},
        )

    async def apply(self, name: str, **data: str) -> None:
        await aside(self.cluster.apply, config_map(self.namespace, name, data))

    async def delete(self, *names: str) -> None:
        await aside(self.cluster.kubectl, "delete", "configmap", *names, "--namespace", self.namespace)

    def key(self, name: str) -> str:
        return f"{self.namespace}/{name}"


def config_map(namespace: str, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {"watched": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


@contextlib.asynccontextmanager
async def watching(cluster: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """Give a reflector that runs, with the administrator's rights."""
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(module, "LAST_RETRY_SECONDS", 0.5)
    namespace = await aside(cluster.create_namespace)
    server = urlsplit(cluster.server)
    async with relay(server.port or 443) as between:
        monkeypatch.setenv("KUBECONFIG", str(cluster.admin_kubeconfig))
        configuration = load_configuration()
        configuration.host = f"https://127.0.0.1:{between.port}"
        api = KubernetesApi(configuration)
        watched = Watched(cluster, namespace, between, api)
        task = asyncio.create_task(watched.reflector.run())
        try:
            yield watched
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            api.close()


async def test_it_lists_and_then_follows(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching(control_plane, monkeypatch) as watched:
        await until(lambda: watched.reflector.synced, what="the first list")
        assert watched.sink.objects == {}
        await watched.apply("a", x="1")
        await until(lambda: watched.sink.has(watched.key("a"), x="1"), what="the new object")
        await watched.apply("a", x="2")
        await until(lambda: watched.sink.has(watched.key("a"), x="2"), what="the change")
        await watched.delete("a")
        await until(lambda: not watched.sink.objects, what="the end of the object")
        assert watched.reflector.lists == 1
        assert watched.reflector.age_seconds < 30
        assert not watched.reflector.problem


async def test_a_list_of_several_pages_is_taken_whole(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_OBJECTS", 3)
    monkeypatch.setattr(module, "MAX_BATCH", 2)
    async with watching(control_plane, monkeypatch) as watched:
        watched.relay.cut()
        things = [config_map(watched.namespace, f"t{n}", {"n": str(n)}) for n in range(10)]
        await aside(control_plane.apply, things)
        watched.relay.mend()
        await until(lambda: len(watched.sink.objects) == 10, what="all objects")
        await until(lambda: watched.sink.lists, what="the list's end")


async def test_an_object_deleted_while_the_connection_was_lost_is_dropped(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch goes on from its version and gets the deletion; nothing is listed again."""
    async with watching(control_plane, monkeypatch) as watched:
        await watched.apply("stays")
        await watched.apply("goes")
        await until(lambda: len(watched.sink.objects) == 2, what="two objects")
        watched.relay.cut()
        await until(lambda: watched.reflector.failures, what="a lost connection")
        await watched.delete("goes")
        assert len(watched.sink.objects) == 2
        watched.relay.mend()
        await until(lambda: watched.sink.objects.keys() == {watched.key("stays")}, what="the deletion")
        await until(lambda: not watched.reflector.problem, what="a watch that works")
        assert watched.reflector.lists == 1


async def test_a_version_that_is_gone_leads_to_a_list_that_drops_what_was_deleted(
    lonely_rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted API server answers 410 (Gone) to versions from before its start."""
    cluster = lonely_rights.cluster
    async with watching(cluster, monkeypatch) as watched:
        await watched.apply("stays")
        await watched.apply("goes")
        await until(lambda: len(watched.sink.objects) == 2, what="two objects")
        watched.relay.cut()
        await until(lambda: watched.reflector.failures, what="a lost connection")
        await watched.delete("goes")
        await watched.apply("new")
        await aside(cluster.stop_program, "kube-apiserver")
        await aside(cluster.start_program, "kube-apiserver")
        assert watched.sink.objects.keys() == {watched.key("stays"), watched.key("goes")}
        watched.relay.mend()
        await until(lambda: watched.reflector.lists == 2, what="another list")
        assert watched.sink.objects.keys() == {watched.key("stays"), watched.key("new")}
        await watched.apply("newer")
        await until(lambda: watched.key("newer") in watched.sink.objects, what="a watch from the new version")


async def test_bookmarks_move_the_version_of_a_quiet_collection(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server sends one before the watch's end at the latest, so that the next watch starts at a younger version."""
    monkeypatch.setattr(module, "WATCH_SECONDS", (3, 3))
    async with watching(control_plane, monkeypatch) as watched:
        await until(lambda: watched.reflector.synced, what="the first list")
        first = watched.reflector._version
        await aside(control_plane.apply, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "elsewhere"}})
        await until(lambda: watched.reflector._version != first, what="a bookmark")
        assert watched.sink.puts == 0
        assert watched.reflector.lists == 1


async def test_a_restarted_api_server_and_a_lost_etcd_are_survived(
    lonely_rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = lonely_rights.cluster
    async with watching(cluster, monkeypatch) as watched:
        await watched.apply("a")
        await until(lambda: watched.sink.objects, what="an object")
        await aside(cluster.stop_program, "kube-apiserver")
        await until(lambda: watched.reflector.failures, what="a lost API server")
        assert watched.sink.objects
        await aside(cluster.start_program, "kube-apiserver")
        await watched.apply("b")
        await until(lambda: len(watched.sink.objects) == 2, what="a watch after the restart")
        cluster.find_program("etcd").signal(signal.SIGSTOP)
        await asyncio.sleep(1)
        assert len(watched.sink.objects) == 2
        cluster.find_program("etcd").signal(signal.SIGCONT)
        await watched.delete("a")
        await until(lambda: watched.sink.objects.keys() == {watched.key("b")}, what="a watch after the outage")


async def test_an_object_that_cannot_be_decoded_stops_no_other(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(control_plane, monkeypatch) as watched:
        decode = watched.reflector._decode

        def refuse(raw: msgspec.Raw) -> Thing:
            thing = decode(raw)
            if "bad" in thing.data:
                raise msgspec.ValidationError("bad")
            return thing

        watched.reflector._decode = refuse
        await until(lambda: watched.reflector.synced, what="the first list")
        await watched.apply("a", x="1")
        await until(lambda: watched.sink.objects, what="an object")
        await watched.apply("a", bad="1")
        await watched.apply("b")
        await until(lambda: watched.sink.objects.keys() == {watched.key("b")}, what="the one that can be decoded")
        assert watched.reflector.undecodable == 1
