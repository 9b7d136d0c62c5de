"""Exceptions from objects: what is read, what is refused and where, for both kinds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import globs
from tests.unit.policy.exception_examples import (
    ACCEPTED,
    FULL,
    REFUSED,
    REFUSED_OF_CLUSTER,
    REFUSED_OF_NAMESPACE,
    by_id,
    for_kind,
    spec,
    with_spec,
)
from tests.unit.policy.refusal import Refused
from tidegate.checks.result import Check
from tidegate.errors import PolicyError
from tidegate.policy import exception_object as module
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND, compile_exception, parse_exception
from tidegate.policy.exceptions import MAX_LIFETIME, BrokenException, ImagePolicyException
from tidegate.policy.model import EcrScope, ExceptableCheck, HostScope
from tidegate.strict.quotation import TIME_FORMAT

KINDS = (KIND, NAMESPACED_KIND)
CREATED = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_it_takes(case, kind):
    parse_exception(with_spec(for_kind(ACCEPTED[case], kind), kind=kind), kind)


def test_every_field_is_read():
    read = parse_exception(with_spec(FULL, creationTimestamp="2027-01-01T00:00:00Z"))
    assert (read.name, read.uid, read.generation, read.namespace, read.label) == ("example", "5c3d", 4, None, "example")
    assert read.policies == ("production", "signed.v2")
    assert read.checks == (ExceptableCheck.TAGS, ExceptableCheck.SIGNATURES)
    assert read.vulnerabilities == ()
    assert [type(one) for one in read.images] == [EcrScope, EcrScope, HostScope]
    assert read.namespaces == globs("shop", "team-*")
    assert (read.expires_at, read.created_at) == (datetime(2027, 1, 31, 18, tzinfo=UTC), CREATED)
    assert (read.reason, read.requested_by) == ("the fix is due on Monday", "ann@example.com")
    assert parse_exception(with_spec(by_id("CVE-1"))).vulnerabilities == ("CVE-1",)


def test_the_namespaced_kind_applies_to_its_own_namespace():
    read = parse_exception(with_spec(for_kind(FULL, NAMESPACED_KIND), kind=NAMESPACED_KIND), NAMESPACED_KIND)
    assert (read.namespace, read.label) == ("shop", "shop/example")
    assert read.applies_in("shop")
    assert not read.applies_in("team-a")


REFUSALS = [
    *((KIND, case, found) for case, found in (REFUSED | REFUSED_OF_CLUSTER).items()),
    *((NAMESPACED_KIND, case, found) for case, found in (REFUSED | REFUSED_OF_NAMESPACE).items()),
]


@pytest.mark.parametrize(("kind", "case", "found"), REFUSALS, ids=str)
def test_it_refuses(kind: str, case: str, found: Refused):
    written = found.spec if case in REFUSED_OF_NAMESPACE else for_kind(found.spec, kind)
    with pytest.raises(PolicyError) as caught:
        parse_exception(with_spec(written, kind=kind), kind)
    assert any(one.startswith(found.problem) for one in caught.value.problems), caught.value.problems
    broken = compile_exception(with_spec(written, kind=kind), kind)
    assert isinstance(broken, BrokenException)
    assert broken.namespace == ("shop" if kind == NAMESPACED_KIND else None)


@pytest.mark.parametrize("namespace", [None, "", 7])
def test_one_of_a_namespace_has_a_namespace(namespace):
    with pytest.raises(PolicyError, match=r"metadata\.namespace: got"):
        parse_exception(
            with_spec(for_kind(FULL, NAMESPACED_KIND), kind=NAMESPACED_KIND, namespace=namespace), NAMESPACED_KIND
        )


def test_the_namespace_of_one_of_the_cluster_means_nothing():
    """A file may have one; the API server has none."""
    assert parse_exception(with_spec(FULL, namespace="bank")).namespace is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_another_kind_is_none(kind):
    other = NAMESPACED_KIND if kind == KIND else KIND
    with pytest.raises(PolicyError, match="kind: got"):
        parse_exception(with_spec(for_kind(FULL, kind), kind=other), kind)


def test_it_lives_no_longer_than_a_year():
    longest = (CREATED + MAX_LIFETIME).strftime(TIME_FORMAT)
    too_long = (CREATED + MAX_LIFETIME + timedelta(seconds=1)).strftime(TIME_FORMAT)
    created = "2027-01-01T00:00:00Z"
    assert isinstance(
        compile_exception(with_spec(spec(expiresAt=longest), creationTimestamp=created)), ImagePolicyException
    )
    broken = compile_exception(with_spec(spec(expiresAt=too_long), creationTimestamp=created))
    assert isinstance(broken, BrokenException)
    assert broken.problems[0].startswith(
        "spec.expiresAt: got 2028-01-01T00:00:01Z, expected a time at most 365 days after"
    )


@pytest.mark.parametrize("created", ["yesterday", 7, "2027-01-01T00:00:00+02:00"])
def test_a_creation_that_cannot_be_read_makes_it_invalid(created):
    assert isinstance(compile_exception(with_spec(FULL, creationTimestamp=created)), BrokenException)


@pytest.mark.parametrize("written", ["2027-01-31T18:00:00Z", "'2027-01-31T18:00:00Z'"])
def test_a_time_without_quotes_is_read_from_yaml(written):
    changed = yaml.safe_load(f"expiresAt: {written}")
    assert parse_exception(with_spec(FULL | changed)).expires_at == datetime(2027, 1, 31, 18, tzinfo=UTC)


def test_a_time_of_yaml_in_another_zone_is_refused():
    changed = yaml.safe_load("expiresAt: 2027-01-31T18:00:00+01:00")
    assert isinstance(compile_exception(with_spec(FULL | changed)), BrokenException)


def test_what_is_broken_keeps_its_name_and_every_problem():
    broken = compile_exception(with_spec({"checks": ["x"], "reason": ""}))
    assert isinstance(broken, BrokenException)
    assert (broken.name, broken.uid, broken.generation) == ("example", "5c3d", 4)
    assert {one.partition(":")[0] for one in broken.problems} == {
        "spec.policies",
        "spec.checks[0]",
        "spec.images",
        "spec.namespaces",
        "spec.expiresAt",
        "spec.reason",
        "spec.requestedBy",
    }


def test_a_fault_of_ours_makes_one_exception_invalid(monkeypatch):
    def fail(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(module, "parse_exception", fail)
    broken = compile_exception(with_spec(FULL))
    assert isinstance(broken, BrokenException)
    assert "bug in tidegate" in broken.problems[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(FULL)) | st.text(), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON, st.sampled_from(KINDS))
def test_nothing_else_is_ever_raised(written, kind):
    assert isinstance(compile_exception(with_spec(written, kind=kind), kind), BrokenException)
    compile_exception(written, kind)


@given(st.sampled_from(list(FULL)), JSON)
def test_any_value_of_a_field_is_read_or_refused(name, value):
    compile_exception(with_spec(FULL | {name: value}))


def test_every_check_that_looks_at_an_image_can_be_excepted():
    never = {Check.POLICY, Check.REFERENCE}
    assert {check.value for check in ExceptableCheck} == {check.value for check in Check if check not in never}
