"""Policies are read whole or refused with every problem at once, in words that say what to do."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.unit.policy.examples import ACCEPTED, ACCOUNT, FULL, SCANNED, counting, ignoring, image, matching, with_spec
from tests.unit.policy.refused_examples import REFUSED
from tests.unit.policy.signature_examples import UNSEEN
from tidegate.errors import PolicyError
from tidegate.evidence.scan import Severity
from tidegate.images.platform import Platform
from tidegate.policy.model import (
    Action,
    EcrScope,
    Glob,
    GraceAction,
    HostScope,
    IgnoredVulnerability,
    ImagePolicy,
    Match,
    RunningImageRules,
    ScanRules,
    SelectorOperator,
    SelectorRequirement,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.parse import parse_policy
from tidegate.policy.scopes import canonical_host, partition_of


def problems_of(obj: object) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(obj)  # type: ignore[arg-type]
    return caught.value.problems


def test_every_field_is_read():
    policy = parse_policy(with_spec(FULL, name="shop"))
    assert (policy.name, policy.uid, policy.generation) == ("shop", "0f1e", 3)
    assert policy.actions == {Action.WARN, Action.AUDIT}
    assert policy.match == Match(
        namespace_selector=(
            SelectorRequirement(key="team", operator=SelectorOperator.IN, values=("shop",)),
            SelectorRequirement(key="example.com/stage", operator=SelectorOperator.IN, values=("test", "production")),
        ),
        namespaces=(Glob(text="shop-*"),),
        excluded_namespaces=(Glob(text="shop-playground"),),
        images=(EcrScope(partition="aws", account=ACCOUNT, region="eu-west-1", repositories=(Glob(text="shop/**"),)),),
    )
    assert policy.registries == (
        EcrScope(partition="aws-cn", account=ACCOUNT, region=None, repositories=(Glob(text="shop/*"),)),
        HostScope(host="public.ecr.aws", repositories=(Glob(text="docker/library/*"),)),
        EcrScope(partition="aws", account=ACCOUNT, region="eu-central-1", repositories=(Glob(text="**"),)),
    )
    assert policy.tags == TagRules(immutable=True, digest_required=True, forbidden=(Glob(text="latest"),))
    assert policy.scan == ScanRules(
        when_pending=Tolerance.ALLOW,
        when_expired=Tolerance.ALLOW,
        when_unsupported=Tolerance.ALLOW,
        max_age=timedelta(days=30),
        settling_period=timedelta(minutes=5),
    )
    assert policy.vulnerabilities == VulnerabilityRules(
        max_counts={
            Severity.CRITICAL: 0,
            Severity.HIGH: 1,
            Severity.MEDIUM: 2,
            Severity.LOW: 3,
            Severity.INFORMATIONAL: 4,
            Severity.UNTRIAGED: 5,
        },
        only_fixable=True,
        exploit_available=Tolerance.DENY,
        epss_threshold=0.5,
        when_epss_unknown=Tolerance.ALLOW,
        grace_period=timedelta(days=7),
        suppressed=Tolerance.DENY,
        ignore=(
            IgnoredVulnerability(
                id="CVE-2026-0001", until=datetime(2027, 1, 31, tzinfo=UTC), reason="not reachable, says ann"
            ),
        ),
        running_images=RunningImageRules(
            duration=timedelta(hours=72), action=GraceAction.ALLOW, except_exploitable=False
        ),
    )
    assert policy.platforms == (Platform(os="linux", architecture="arm64"),)
    assert policy.on_undetermined is Tolerance.ALLOW
    assert policy.max_stale == timedelta(hours=2)


def test_what_is_left_out_is_the_strict_default():
    policy = parse_policy(with_spec(SCANNED))
    assert policy.actions == {Action.DENY}
    assert policy.match == Match()
    assert (policy.registries, policy.tags, policy.vulnerabilities, policy.platforms) == (None, None, None, ())
    assert policy.scan == ScanRules(
        when_pending=Tolerance.DENY,
        when_expired=Tolerance.DENY,
        when_unsupported=Tolerance.DENY,
        max_age=None,
        settling_period=timedelta(minutes=2),
    )
    assert policy.on_undetermined is Tolerance.DENY
    assert policy.max_stale == timedelta(hours=1)
    rules = parse_policy(with_spec(counting())).vulnerabilities
    assert rules == VulnerabilityRules(
        max_counts={Severity.CRITICAL: 0},
        only_fixable=False,
        exploit_available=Tolerance.ALLOW,
        epss_threshold=None,
        when_epss_unknown=Tolerance.DENY,
        grace_period=timedelta(0),
        suppressed=Tolerance.ALLOW,
        ignore=(),
        running_images=None,
    )
    grace = parse_policy(with_spec(counting(runningImages={"for": "72h"}))).vulnerabilities
    assert grace is not None
    assert grace.running_images == RunningImageRules(
        duration=timedelta(hours=72), action=GraceAction.WARN, except_exploitable=True
    )
    assert parse_policy(with_spec(image(account=ACCOUNT))).registries == (
        EcrScope(partition="aws", account=ACCOUNT, region=None, repositories=(Glob(text="**"),)),
    )


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_the_parser_takes(case):
    assert isinstance(parse_policy(with_spec(ACCEPTED[case])), ImagePolicy)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_parser_refuses(case):
    problems = problems_of(with_spec(REFUSED[case].spec))
    assert any(REFUSED[case].problem in problem for problem in problems), problems
    for problem in problems:
        assert re.fullmatch(r"\S.*: got .+, expected .+; .+", problem), problem


@pytest.mark.parametrize("case", UNSEEN, ids=str)
def test_the_parser_refuses_what_no_schema_can_see(case):
    spec, problem = UNSEEN[case]
    (found,) = problems_of(with_spec(spec))
    assert problem in found
    assert re.fullmatch(r"\S.*: got .+, expected .+; .+", found), found
    assert found.isprintable()


OBJECTS: dict[str, tuple[Any, str]] = {
    "a list instead of an object": ([], "object: got a list of 0, expected a mapping"),
    "nothing instead of an object": (None, "object: got nothing, expected a mapping"),
    "another kind": (
        with_spec(SCANNED, kind="Pod"),
        "kind: got 'Pod', expected ImagePolicy; write kind: ImagePolicy",
    ),
    "another version": (
        with_spec(SCANNED, apiVersion="tidegate.dev/v2"),
        "apiVersion: got 'tidegate.dev/v2', expected tidegate.dev/v1alpha1; write apiVersion: tidegate.dev/v1alpha1",
    ),
    "a field beside spec": (
        with_spec(SCANNED, scan={}),
        "scan: got a field that does not exist here, expected only spec; move it below spec",
    ),
    "no metadata": ({"spec": SCANNED}, "metadata.name: got no usable name"),
    "metadata that are no mapping": ({"spec": SCANNED, "metadata": "x"}, "metadata.name: got no usable name"),
    "a name that is no text": ({"spec": SCANNED, "metadata": {"name": 1}}, "metadata.name: got no usable name"),
    "a name of two lines": ({"spec": SCANNED, "metadata": {"name": "a\nb"}}, "metadata.name: got no usable name"),
    "a name longer than any": ({"spec": SCANNED, "metadata": {"name": "a" * 254}}, "metadata.name: got no usable"),
    "a spec that is a list": (with_spec([SCANNED]), "spec: got a list of 1, expected a mapping"),
}


@pytest.mark.parametrize("case", OBJECTS, ids=str)
def test_the_parser_refuses_as_an_object(case):
    obj, problem = OBJECTS[case]
    assert any(one.startswith(problem) for one in problems_of(obj))


def test_all_problems_are_told_at_once():
    spec = {
        "validationActions": ["Block", "Stop"],
        "match": {"namespaces": ["A"], "images": [{"account": "1", "host": "B"}]},
        "vulnerabilities": {"ignore": [{"id": "CVE-1"}], "gracePeriod": "soon"},
        "maxStale": "9d",
        "mode": "strict",
    }
    paths = {problem.partition(": got ")[0] for problem in problems_of(with_spec(spec, kind="Pod"))}
    assert paths == {
        "kind",
        "spec.mode",
        "spec.validationActions[0]",
        "spec.validationActions[1]",
        "spec.match.namespaces[0]",
        "spec.match.images[0]",
        "spec.match.images[0].account",
        "spec.match.images[0].host",
        "spec.vulnerabilities",
        "spec.vulnerabilities.ignore[0].until",
        "spec.vulnerabilities.ignore[0].reason",
        "spec.vulnerabilities.gracePeriod",
        "spec.maxStale",
    }


def test_objects_of_a_file_have_no_uid_and_no_generation():
    policy = parse_policy({"metadata": {"name": "from-file"}, "spec": SCANNED})
    assert (policy.uid, policy.generation) == ("", 0)


def test_the_status_is_not_read():
    assert parse_policy(with_spec(SCANNED, status={"conditions": "anything"})).scan is not None


def test_an_unquoted_date_of_a_yaml_file_is_a_date():
    rules = parse_policy(with_spec(ignoring(until=date(2027, 1, 31)))).vulnerabilities
    assert rules is not None
    assert rules.ignore[0].until == datetime(2027, 1, 31, tzinfo=UTC)


def test_an_unquoted_time_of_a_yaml_file_is_not_a_date():
    (problem,) = problems_of(with_spec(ignoring(until=datetime(2027, 1, 31, 12, tzinfo=UTC))))
    assert problem.endswith("such as 2027-01-31, as a string in quotes")


@pytest.mark.parametrize(("unknown", "told"), [(20, 20), (21, 21), (25, 21)])
def test_many_unknown_fields_are_counted_not_listed(unknown, told):
    problems = problems_of(with_spec(SCANNED | {f"field{index}": 1 for index in range(unknown)}))
    assert len(problems) == told
    more = f"spec: got {unknown - 20} more fields that do not exist here"
    assert problems[-1].startswith(more) is (unknown > 20)


@pytest.mark.parametrize("name", ["a", "a" * 253, "policy.example.com"])
def test_a_name_may_be_what_kubernetes_allows(name):
    assert parse_policy(with_spec(SCANNED, name=name)).name == name


MISSPELT = {
    "maxstale": "maxStale",
    "MAXSTALE": "maxStale",
    "max_stale": "maxStale",
    "on-undetermined": "onUndetermined",
    "vulnerabilites": "vulnerabilities",
    "validationAction": "validationActions",
}


@pytest.mark.parametrize("written", MISSPELT, ids=str)
def test_the_nearest_field_is_named(written):
    (problem,) = problems_of(with_spec(SCANNED | {written: 1}))
    assert problem.endswith(f"; did you mean {MISSPELT[written]}?")


def test_a_field_like_no_other_is_to_be_removed():
    (problem,) = problems_of(with_spec(SCANNED | {"colour": "red"}))
    assert problem.endswith("; remove it")


@pytest.mark.parametrize("value", ["30", None, ""], ids=repr)
def test_only_what_is_no_text_is_told_to_be_quoted(value):
    (problem,) = problems_of(with_spec({"scan": {"maxAge": value}}))
    assert not problem.endswith("in quotes")
    (problem,) = problems_of(with_spec({"scan": {"maxAge": 30}}))
    assert problem.endswith("such as 1h30m, as a string in quotes")


@pytest.mark.parametrize(("length", "shown"), [(80, "'{}'"), (81, "'{}'...")])
def test_a_value_is_cut_at_eighty_characters(length, shown):
    (problem,) = problems_of(with_spec(SCANNED | {"onUndetermined": "x" * length}))
    assert f"got {shown.format('x' * 80)}, expected" in problem


HOSTILE = {
    "a long value": ("x" * 10_000, "'" + "x" * 80 + "'..."),
    "control characters": ("a\x1b[31m\r\n", r"'a\x1b[31m\r\n'"),
    "a reversing character": ("a\u202eb", r"'a\u202eb'"),
    "half a character": ("\ud800", r"'\ud800'"),
    "a huge number": (10**6000, "a very large number"),
    "infinity": (float("inf"), "the number inf"),
    "not a number": (float("nan"), "the number nan"),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_a_problem_repeats_safely(case):
    value, shown = HOSTILE[case]
    for spec in (SCANNED | {"onUndetermined": value}, {"vulnerabilities": {"epssThreshold": value}}):
        (problem,) = problems_of(with_spec(spec))
        assert f"got {shown}, expected" in problem
        assert problem.isprintable()


def test_a_hostile_field_name_is_repeated_safely():
    problems = problems_of(with_spec(SCANNED | {"a\nb": 1, 7: 1, "y" * 200: 1}))
    assert [problem.partition(": got")[0] for problem in problems] == [
        r"spec['a\nb']",
        "spec[the number 7]",
        f"spec['{'y' * 80}'...]",
    ]


PARTITIONS = {
    "eu-west-1": "aws",
    "cn-north-1": "aws-cn",
    "us-gov-east-1": "aws-us-gov",
    "eusc-de-east-1": "aws-eusc",
    "us-iso-east-1": "aws-iso",
    "us-isob-east-1": "aws-iso-b",
    "eu-isoe-west-1": "aws-iso-e",
    "us-isof-south-1": "aws-iso-f",
}


@pytest.mark.parametrize("region", PARTITIONS, ids=str)
def test_the_partition_follows_from_the_region(region):
    assert partition_of(region) == PARTITIONS[region]
    (scope,) = parse_policy(with_spec(image(account=ACCOUNT, region=region))).registries or ()
    assert isinstance(scope, EcrScope)
    assert scope.partition == PARTITIONS[region]


HOSTS = {
    "ghcr.io": "ghcr.io",
    "ghcr.io:443": "ghcr.io",
    "registry.example.com:4430": "registry.example.com:4430",
    "registry.example.com:5000": "registry.example.com:5000",
    "ecr-public.aws.com": "public.ecr.aws",
    "index.docker.io": "docker.io",
    "[2001:db8::1]:443": "[2001:db8::1]",
}


@pytest.mark.parametrize("host", HOSTS, ids=str)
def test_a_host_has_one_spelling(host):
    assert canonical_host(host) == canonical_host(host.upper()) == HOSTS[host]
    assert parse_policy(with_spec(image(host=host))).registries == (HostScope(host=HOSTS[host]),)


def test_a_policy_may_be_any_mapping_as_frameworks_give_them():
    class Body(dict[str, object]):
        pass

    assert parse_policy(Body(with_spec(matching(namespaces=("a", "b"))))).match.namespaces == (
        Glob(text="a"),
        Glob(text="b"),
    )
