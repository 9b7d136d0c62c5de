"""The ImagePolicy CRD on a real API server: it takes and refuses what the parser does, in sentences, and fills in defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import ControlPlane
from tests.e2e.custom_objects import Create, dry_run, refusal
from tests.unit.policy import schema
from tests.unit.policy.examples import ACCEPTED, ACCOUNT, SCANNED, with_spec
from tests.unit.policy.refusal import Refused
from tests.unit.policy.refused_examples import REFUSED
from tests.unit.policy.signature_examples import UNSEEN
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import GROUP, PLURAL, VERSION, parse_policy

STORED = "crd-test"


@pytest.fixture(scope="module")
def create(control_plane: ControlPlane) -> Iterator[Create]:
    with dry_run(control_plane, schema.CRD_FILE, PLURAL) as ask:

        def create(spec: Any) -> dict[str, Any]:
            whole = with_spec(spec)
            if spec is None:
                del whole["spec"]
            return ask(whole)

        yield create


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_api_server_takes(create, case):
    """What it returns, defaults and all, is a policy to the parser."""
    stored = create(ACCEPTED[case])
    assert stored["spec"] == schema.filled(ACCEPTED[case])
    assert isinstance(parse_policy(stored), ImagePolicy)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_api_server_refuses(create, case):
    """By a rule that answers with a path and a sentence: no rule fails to be computed."""
    refused: Refused = REFUSED[case]
    assert refused.answer in refusal(create, refused.spec)


@pytest.mark.parametrize("case", UNSEEN, ids=str)
def test_the_api_server_cannot_see(create, case):
    """These become broken policies, whose status tells the problem: when a rule learns one, it belongs to REFUSED."""
    create(UNSEEN[case][0])


def test_everything_left_out_is_filled_in(create):
    assert create(SCANNED)["spec"] == {
        "validationActions": ["Deny"],
        "scan": {"whenPending": "Deny", "whenExpired": "Deny", "whenUnsupported": "Deny", "settlingPeriod": "2m"},
        "onUndetermined": "Deny",
        "maxStale": "1h",
    }
    spec = create(
        {"registries": [{"account": ACCOUNT}], "tags": {"immutable": True}, "vulnerabilities": {"epssThreshold": 1}}
    )["spec"]
    assert spec["registries"] == [{"account": ACCOUNT, "repositories": ["**"]}]
    assert spec["tags"] == {"immutable": True, "digestRequired": False}
    assert spec["vulnerabilities"] == {
        "epssThreshold": 1,
        "whenEpssUnknown": "Deny",
        "onlyFixable": False,
        "exploitAvailable": "Allow",
        "gracePeriod": "0s",
        "suppressed": "Allow",
    }


def test_a_field_without_a_value_is_dropped_by_the_api_server(create):
    """``scan:`` with nothing behind it never reaches the parser, which would refuse it: the reference warns of it."""
    assert "scan" not in create({"scan": None, "tags": {"immutable": True}})["spec"]


def test_a_person_reads_the_policy_with_kubectl(create, control_plane):
    """Columns, short name, explain, and a status that can only be written as a status."""
    spec = SCANNED | {"validationActions": ["Audit"], "match": {"namespaces": ["no-such-namespace"]}}
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ImagePolicy", "metadata": {"name": STORED}, "spec": spec}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Parsed",
        "message": "the policy applies",
        "lastTransitionTime": "2027-01-31T00:00:00Z",
        "observedGeneration": 1,
    }
    try:
        control_plane.apply(body | {"status": {"conditions": [condition]}})
        assert "status" not in control_plane.get("ipol", STORED)
        patch = json.dumps({"status": {"observedGeneration": 1, "conditions": [condition]}})
        control_plane.kubectl("patch", "ipol", STORED, "--subresource=status", "--type=merge", "--patch", patch)
        lines = control_plane.kubectl("get", "ipol", STORED).stdout.splitlines()
        assert lines[0].split() == ["NAME", "ACTIONS", "READY", "AGE"]
        assert lines[1].split()[:3] == [STORED, '["Audit"]', "True"]
    finally:
        control_plane.kubectl("delete", "ipol", STORED, "--ignore-not-found")
    explained = control_plane.kubectl("explain", "imagepolicy.spec.vulnerabilities.gracePeriod").stdout
    assert "How long a finding does not count after it was first observed" in " ".join(explained.split())


def test_kubectl_shows_the_sentence(create, control_plane):
    shown = control_plane.apply(with_spec(REFUSED["Deny with Warn"].spec), check=False)
    assert shown.returncode != 0
    assert "spec.validationActions: Invalid value: expected at most one of Deny and Warn" in shown.stderr
