"""The TrustStore CRD on a real API server: it takes and refuses what the parser does, in sentences, and adds nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from tests.cluster import ControlPlane, wait_for
from tests.unit.policy.schema import TRUST_STORE_FILE
from tests.unit.policy.trust_store_examples import ACCEPTED, REFUSED, with_spec
from tidegate.policy.objects import GROUP, VERSION
from tidegate.policy.trust_store_object import PLURAL, StoreObject, read_trust_store

Create = Callable[[Any], dict[str, Any]]


@pytest.fixture(scope="module")
def create(control_plane: ControlPlane) -> Iterator[Create]:
    """Install the CRD as the chart ships it; give a function that asks for an object, stored nowhere, and returns it."""
    control_plane.apply_definitions(TRUST_STORE_FILE)
    with new_client_from_config(str(control_plane.admin_kubeconfig)) as connection:
        api = client.CustomObjectsApi(connection)

        def ask(spec: Any) -> dict[str, Any]:
            body = with_spec(spec)
            body["metadata"] = {"name": body["metadata"]["name"]}
            created = api.create_cluster_custom_object(
                GROUP, VERSION, PLURAL, body, dry_run="All", field_validation="Strict"
            )
            assert isinstance(created, dict)
            return created

        yield ask


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_api_server_takes(create, case):
    stored = create(ACCEPTED[case])
    assert stored["spec"] == ACCEPTED[case]
    assert isinstance(read_trust_store(stored), StoreObject)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_api_server_refuses(create, case):
    refused = REFUSED[case]
    with pytest.raises(ApiException) as caught:
        create(refused.spec)
    assert caught.value.status in (400, 422), caught.value
    message: str = json.loads(caught.value.body or "")["message"]
    assert refused.answer in message
    for word in ("no such key", "evaluation", "cost"):
        assert word not in message


def test_a_person_finds_it_with_kubectl(create, control_plane):
    """By its short name, which the API server publishes a moment after it has taken the CRD."""
    asked = ("explain", "tst.spec.configMap.namespace")
    wait_for(lambda: control_plane.kubectl(*asked, check=False).returncode == 0, what="the published CRD")
    explained = control_plane.kubectl(*asked).stdout
    assert "trustStores.configMapNamespaces" in " ".join(explained.split())
