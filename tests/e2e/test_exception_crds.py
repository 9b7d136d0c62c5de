"""The CRDs of exceptions on a real API server: they take and refuse what the parser does, in sentences."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from tests.cluster import ControlPlane, wait_for
from tests.e2e.custom_objects import refusal
from tests.unit.policy.exception_examples import (
    ACCEPTED,
    REFUSED,
    REFUSED_OF_CLUSTER,
    REFUSED_OF_NAMESPACE,
    for_kind,
    with_spec,
)
from tests.unit.policy.schema import EXCEPTION_FILE, NAMESPACED_EXCEPTION_FILE
from tidegate.policy.exception_object import (
    KIND,
    NAMESPACED_KIND,
    NAMESPACED_PLURAL,
    PLURAL,
    parse_exception,
)
from tidegate.policy.objects import GROUP, VERSION

KINDS = (KIND, NAMESPACED_KIND)
Ask = Callable[[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def ask(control_plane: ControlPlane) -> Iterator[Ask]:
    """Give a function that creates an object of a kind as a dry run."""
    for file in (EXCEPTION_FILE, NAMESPACED_EXCEPTION_FILE):
        control_plane.apply_definitions(file)
    with new_client_from_config(str(control_plane.admin_kubeconfig)) as connection:
        api = client.CustomObjectsApi(connection)

        def create(kind: str, written: Any) -> dict[str, Any]:
            body = with_spec(written, kind=kind)
            body["metadata"] = {"name": "example"}
            options: dict[str, Any] = {"dry_run": "All", "field_validation": "Strict"}
            if kind == KIND:
                made = api.create_cluster_custom_object(GROUP, VERSION, PLURAL, body, **options)
            else:
                made = api.create_namespaced_custom_object(
                    GROUP, VERSION, "default", NAMESPACED_PLURAL, body, **options
                )
            assert isinstance(made, dict)
            return made

        def ready() -> bool:
            with contextlib.suppress(ApiException):
                return all(create(kind, for_kind(ACCEPTED["everything"], kind)) for kind in KINDS)
            return False

        wait_for(ready, what="both kinds to be served")
        yield create


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_api_server_takes(ask, case, kind):
    stored = ask(kind, for_kind(ACCEPTED[case], kind))
    assert stored["spec"] == for_kind(ACCEPTED[case], kind)
    # The creation bounds the end, which the schema cannot see.
    del stored["metadata"]["creationTimestamp"]
    parse_exception(stored, kind)


CASES = [
    *((KIND, case, one.spec, one.answer) for case, one in (REFUSED | REFUSED_OF_CLUSTER).items()),
    *((NAMESPACED_KIND, case, for_kind(one.spec, NAMESPACED_KIND), one.answer) for case, one in REFUSED.items()),
    *((NAMESPACED_KIND, case, one.spec, one.answer) for case, one in REFUSED_OF_NAMESPACE.items()),
]


@pytest.mark.parametrize(
    ("kind", "case", "written", "answer"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_api_server_refuses(ask, kind, case, written, answer):
    assert answer in refusal(lambda whole: ask(kind, whole), written), case


def test_repositories_left_out_are_every_repository(ask):
    stored = ask(KIND, ACCEPTED["everything"] | {"images": [{"host": "ghcr.io"}]})
    assert stored["spec"]["images"] == [{"host": "ghcr.io", "repositories": ["**"]}]


def test_a_person_reads_exceptions_with_kubectl(ask, control_plane):
    """Columns, short names, explain; a status that only the status resource takes."""
    far = ACCEPTED["everything"]["expiresAt"]
    body = with_spec(ACCEPTED["everything"])
    body["metadata"] = {"name": "read"}
    control_plane.apply(body | {"status": {"observedGeneration": 1}})
    try:
        assert "status" not in control_plane.get("ipolx", "read")
        lines = control_plane.kubectl("get", "ipolx", "read").stdout.splitlines()
        assert lines[0].split()[:5] == ["NAME", "POLICIES", "CHECKS", "VULNERABILITIES", "EXPIRES"]
        assert far in lines[1]
        assert json.dumps(["production", "signed.v2"], separators=(",", ":")) in lines[1]
    finally:
        control_plane.kubectl("delete", "ipolx", "read")
    assert control_plane.kubectl("get", "nipolx", "--all-namespaces").returncode == 0
    explained = " ".join(control_plane.kubectl("explain", "nipolx.spec.expiresAt").stdout.split())
    assert "When the exception ends, in UTC" in explained
