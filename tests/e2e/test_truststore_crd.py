"""The TrustStore CRD on a real API server: it takes and refuses what the parser does, in sentences, and adds nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster import ControlPlane, wait_for
from tests.e2e.custom_objects import Create, dry_run, refusal
from tests.unit.policy.schema import TRUST_STORE_FILE
from tests.unit.policy.trust_store_examples import ACCEPTED, REFUSED, with_spec
from tidegate.policy.trust_store_object import PLURAL, StoreObject, read_trust_store


@pytest.fixture(scope="module")
def create(control_plane: ControlPlane) -> Iterator[Create]:
    with dry_run(control_plane, TRUST_STORE_FILE, PLURAL) as ask:
        yield lambda spec: ask(with_spec(spec))


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_api_server_takes(create, case):
    stored = create(ACCEPTED[case])
    assert stored["spec"] == ACCEPTED[case]
    assert isinstance(read_trust_store(stored), StoreObject)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_api_server_refuses(create, case):
    assert REFUSED[case].answer in refusal(create, REFUSED[case].spec)


def test_a_person_finds_it_with_kubectl(create, control_plane):
    """By its short name, which the API server publishes a moment after it has taken the CRD."""
    asked = ("explain", "tst.spec.configMap.namespace")
    wait_for(lambda: control_plane.kubectl(*asked, check=False).returncode == 0, what="the published CRD")
    explained = control_plane.kubectl(*asked).stdout
    assert "trustStores.configMapNamespaces" in " ".join(explained.split())
