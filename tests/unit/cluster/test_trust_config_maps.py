"""ConfigMaps with the content of trust stores: what is there is read whole, and what is not there is said."""

import base64
from typing import Any, cast

import pytest

from tidegate.cluster.api import ApiError, KubernetesApi
from tidegate.cluster.trust_config_maps import read_config_map
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import ConfigMapSource


class FakeApi:
    """Has ConfigMaps by path; answers with a status on demand."""

    def __init__(self, **fields: Any) -> None:
        self.maps = {"/api/v1/namespaces/gate/configmaps/acme": fields}
        self.status: int | None = 200

    async def get(self, path: str) -> dict[str, Any]:
        if self.status != 200:
            raise ApiError("no answer", status=self.status)
        if path not in self.maps:
            raise ApiError("not found", status=404)
        return self.maps[path]


async def read(
    api: FakeApi, *keys: str, namespace: str | None = None, own: str | None = "gate"
) -> tuple[tuple[str, bytes], ...]:
    source = ConfigMapSource(name="acme", namespace=namespace, keys=keys)
    return (await read_config_map(cast("KubernetesApi", api), source, own)).files


DATA = {"data": {"b": "text", "a": "é"}, "binaryData": {"c": base64.b64encode(b"\x30\x82").decode()}}


async def test_without_keys_it_is_all_of_them_in_order():
    assert await read(FakeApi(**DATA)) == (("a", "é".encode()), ("b", b"text"), ("c", b"\x30\x82"))


async def test_keys_choose_and_order():
    assert await read(FakeApi(**DATA), "c", "a") == (("c", b"\x30\x82"), ("a", "é".encode()))


async def test_a_namespace_that_is_named_is_the_one():
    api = FakeApi()
    api.maps["/api/v1/namespaces/trust/configmaps/acme"] = DATA
    assert len(await read(api, namespace="trust")) == 3
    with pytest.raises(PolicyError):
        await read(api)


@pytest.mark.parametrize(
    ("api", "keys", "problem"),
    [
        pytest.param(FakeApi(), (), "ConfigMap gate/acme is empty", id="nothing in it"),
        pytest.param(FakeApi(data=None, binaryData={}), (), "ConfigMap gate/acme is empty", id="nothing but names"),
        pytest.param(FakeApi(**DATA), ("a", "x", "y"), "has no key x; ConfigMap gate/acme has no key y", id="no key"),
        pytest.param(
            FakeApi(binaryData={"c": "*"}), (), "binaryData has an unreadable value for key c", id="no base64"
        ),
        pytest.param(FakeApi(data={"c": 7}), (), "data has an unreadable value for key c", id="no text"),
    ],
)
async def test_what_is_not_there_is_said(api, keys, problem):
    with pytest.raises(PolicyError, match=problem):
        await read(api, *keys)


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (404, "ConfigMap gate/acme does not exist"),
        (403, ": add gate to the chart's value trustStores.configMapNamespaces"),
    ],
)
async def test_that_it_is_missing_or_forbidden_is_an_answer(status, problem):
    api = FakeApi(**DATA)
    api.status = status
    with pytest.raises(PolicyError, match=problem):
        await read(api)


@pytest.mark.parametrize("status", [None, 401, 429, 500])
async def test_that_nobody_answered_is_none(status):
    api = FakeApi(**DATA)
    api.status = status
    with pytest.raises(ApiError):
        await read(api)


async def test_without_a_namespace_of_its_own_one_has_to_be_named():
    with pytest.raises(PolicyError, match=r"spec\.configMap\.namespace: got nothing"):
        await read(FakeApi(**DATA), own=None)
    assert await read(FakeApi(**DATA), namespace="gate", own=None)
