"""Every state of evidence that AWS can word, under every field of a policy about tags, scans and vulnerabilities.

The states are AWS's answers, made of every member of every enum of the SDK's service models, beside a word that is new and
none at all; they are read as any answer is. What must come of a pair stands in ``aws_words`` and ``policy_pairs``, and is
not computed by anything in tidegate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from itertools import combinations, product
from typing import Any

import botocore.session
import pytest

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOST,
    IMAGE,
    MINUTE,
    MOMENT,
    NOW,
    SECOND,
    child,
    detail,
    evidence,
    known,
    missing,
    report,
    settings,
)
from tests.unit.checks import aws_words as aws
from tests.unit.checks.aws_answers import (
    NEW,
    NONE,
    REGISTRY,
    basic,
    described,
    fact,
    finding,
    having,
    inspected,
    row,
    set_up,
)
from tests.unit.checks.aws_words import BAD, CLOSED, EXEMPT, GOOD, UNKNOWN
from tests.unit.checks.policy_pairs import EXCUSED, POLICIES, Policy
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.evidence.fact import Cause, Known
from tidegate.evidence.image import Absence, BadContent
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.repository import ScanType
from tidegate.images.manifest import OCI_MANIFEST
from tidegate.policy.model import ScanRules, TagRules, Tolerance, VulnerabilityRules
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import PolicySet

TIMES: dict[str, Any] = {
    "scanned an hour ago": NOW - timedelta(hours=1),
    "scanned long ago": NOW - 40 * DAY,
    "scanned a moment ago": NOW - 5 * SECOND,
    "scanned in the future": NOW + 6 * MINUTE,
    "without a time": NONE,
}
PUSHED = NOW - 50 * DAY


WHERE = {"registryId": REGISTRY.account, "repositoryName": "team/app"}
COMPILED = {
    name: compile_policy({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": policy.spec})
    for name, policy in POLICIES.items()
}


def word(name: str, collected: ImageEvidence, image: str = IMAGE, **changes: Any) -> str:
    """What the product makes of the evidence under the policy."""
    plan = make_plan(image, PolicySet.of([replace(COMPILED[name], **changes)]), ())
    return judge_plan(plan, collected, now=NOW, monotonic=MOMENT, audit_only=False).outcome.value


def pushed(scan: Any, **changes: Any) -> ImageEvidence:
    return evidence(scan, detail=detail(pushed_at=PUSHED), **changes)


def of_scan(policy: Policy, meaning: str) -> str:
    """What must come of an image with this meaning of its scan."""
    if policy.word is not GOOD or policy.scan is None:
        return policy.word
    return policy.scan.get(meaning, aws.BY_DEFAULT[meaning])


def agree(name: str, collected: ImageEvidence, expected: str, **judged: Any) -> None:
    """Hold the product to the expected word."""
    found = word(name, collected, **judged)
    assert found in ({BAD, UNKNOWN} if expected is CLOSED else {expected})


# The tables are whole


def enum(service: str, name: str) -> set[str]:
    shape: Any = botocore.session.Session().get_service_model(service).shape_for(name)
    return set(shape.enum)


@pytest.mark.parametrize(
    ("service", "name", "known"),
    [
        ("inspector2", "ScanStatusCode", aws.CODES),
        ("inspector2", "ScanStatusReason", set(aws.REASONS) | aws.OF_OTHER_RESOURCES),
        ("inspector2", "ScanType", aws.SCAN_TYPES),
        ("inspector2", "FindingStatus", aws.FINDING_STATUSES),
        ("inspector2", "FindingType", aws.FINDING_TYPES),
        ("inspector2", "Severity", aws.SEVERITIES),
        ("inspector2", "FixAvailable", aws.FIXES),
        ("inspector2", "ExploitAvailable", aws.EXPLOITS),
        ("ecr", "ScanStatus", set(aws.BASIC)),
        ("ecr", "FindingSeverity", aws.BASIC_SEVERITIES),
        ("ecr", "ScanType", aws.REGISTRY_SCAN_TYPES),
        ("ecr", "ImageStatus", set(aws.IMAGE_STATUSES)),
        ("ecr", "ImageTagMutability", set(aws.MUTABILITY)),
        ("ecr", "ImageTagMutabilityExclusionFilterType", aws.FILTER_TYPES),
    ],
)
def test_a_word_that_is_new_in_the_sdk_needs_a_row(service, name, known):
    assert enum(service, name) == known


def test_every_field_of_tags_scan_and_vulnerabilities_has_a_policy():
    rules = {"tags": TagRules, "scan": ScanRules, "vulnerabilities": VulnerabilityRules}
    names = {f"{section}.{one.name}" for section, model in rules.items() for one in fields(model)}
    assert names <= {name.partition(",")[0] for name in POLICIES}
    assert all(hasattr(policy, "actions") and not hasattr(policy, "problems") for policy in COMPILED.values())


# Scans


def meaning_of(code: Any, reason: Any, at: Any, *, proved: bool = False) -> str:
    """What a row of coverage means by the documentation; ``proved`` says that an old finding proves an earlier scan."""
    beside, meaning = aws.REASONS.get(reason, ("none", aws.UNTOLD))
    if code not in aws.CODES or beside not in (code, "either"):
        return aws.UNTOLD
    if meaning == aws.SCANNED_BEFORE and proved:
        meaning = aws.SCANNED
    if meaning == aws.SCANNED_BEFORE:
        return aws.PENDING if at is NONE else aws.UNTOLD if at > NOW + 5 * MINUTE else aws.SETTLING
    return dated(meaning, at)


def dated(meaning: str, at: Any) -> str:
    """What "scanned" means with this time of the scan."""
    if meaning not in (aws.SCANNED, aws.ONCE):
        return meaning
    if at is NONE or at > NOW + 5 * MINUTE:
        return aws.UNTOLD
    if at > NOW - 2 * MINUTE:
        return aws.SETTLING
    return aws.SCANNED if at > NOW - 30 * DAY else aws.LONG_AGO


REASONS = [*aws.REASONS, *sorted(aws.OF_OTHER_RESOURCES), NEW, NONE]
CODES = [*sorted(aws.CODES), NEW, NONE]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("time", TIMES)
def test_every_status_of_inspector(name, time):
    policy, at = POLICIES[name], TIMES[time]
    for code, reason in product(CODES, REASONS):
        agree(name, pushed(inspected(row(code, reason, at))), of_scan(policy, meaning_of(code, reason, at)))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("time", TIMES)
def test_every_status_of_basic_scanning(name, time):
    policy, at = POLICIES[name], TIMES[time]
    for status in [*aws.BASIC, NEW, NONE]:
        expected = of_scan(policy, dated(aws.BASIC.get(status, aws.UNTOLD), at))
        # ACTIVE says that Amazon Inspector scans, whose findings come this way too.
        agree(name, pushed(basic(status, at)), policy.basic if expected is GOOD and status != "ACTIVE" else expected)


@pytest.mark.parametrize("name", POLICIES)
def test_no_row_covers_nothing_and_a_row_of_another_scan_says_nothing(name):
    agree(name, pushed(inspected(None)), of_scan(POLICIES[name], aws.NOT_SCANNED))
    # Only scans of packages are asked for: a row of another kind is no answer to the question.
    for kind in [*sorted(aws.SCAN_TYPES - {"PACKAGE"}), NEW]:
        agree(name, pushed(inspected(row(kind=kind))), of_scan(POLICIES[name], aws.UNTOLD))


@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if policy.scan is not None])
def test_what_is_not_told_is_let_through_by_on_undetermined_and_what_is_bad_is_not(name):
    for reason, at in product(REASONS, TIMES.values()):
        collected = pushed(inspected(row("ACTIVE", reason, at)))
        plan = make_plan(IMAGE, PolicySet.of([replace(COMPILED[name], on_undetermined=Tolerance.ALLOW)]), ())
        expected = of_scan(POLICIES[name], meaning_of("ACTIVE", reason, at))
        assert judge_plan(plan, collected, now=NOW, monotonic=MOMENT, audit_only=False).denied is (expected == BAD)


# Findings

DIMENSIONS: dict[str, list[Any]] = {
    "status": [*sorted(aws.FINDING_STATUSES), NEW, NONE],
    "severity": [*sorted(aws.SEVERITIES), NEW, NONE],
    "fixAvailable": [*sorted(aws.FIXES), NEW, NONE],
    "exploitAvailable": [*sorted(aws.EXPLOITS), NEW, NONE],
    "epss": [{"score": 0.49}, {"score": 0.5}, NONE],
    "firstObservedAt": [NOW - 30 * DAY, NOW - 6 * DAY, NOW + DAY, NONE],
}


def of_finding(policy: Policy, found: Mapping[str, Any]) -> str:
    """What must come of an image with one finding, scanned yesterday."""
    if policy.word is not GOOD or policy.scan is None:
        return policy.word
    if found.get("status") not in aws.FINDING_STATUSES:
        return UNKNOWN
    if found["status"] == "CLOSED":
        return GOOD
    if "severity" not in found or "firstObservedAt" not in found:
        return UNKNOWN
    if found["status"] == "SUPPRESSED" and not policy.counts_suppressed:
        return GOOD
    expected = policy.finding(found)
    if expected is EXCUSED:
        return GOOD
    counts = "vulnerabilities" in policy.spec
    return UNKNOWN if counts and expected is GOOD and found["severity"] not in aws.SEVERITIES else expected


def pairs_of_members() -> Iterator[dict[str, Any]]:
    """Findings that differ from the usual one in two members, by every value of both."""
    for first, second in combinations(DIMENSIONS, 2):
        for values in product(DIMENSIONS[first], DIMENSIONS[second]):
            yield finding(**dict(zip((first, second), values, strict=True)))


@pytest.mark.parametrize("name", POLICIES)
def test_every_word_of_a_finding(name):
    for found in pairs_of_members():
        agree(name, pushed(inspected(row(), found)), of_finding(POLICIES[name], found))


@pytest.mark.parametrize("name", [name for name in POLICIES if name.startswith("vulnerabilities.max_counts")])
def test_every_severity_of_basic_scanning(name):
    for severity in [*sorted(aws.BASIC_SEVERITIES), NEW]:
        word_of = {"UNDEFINED": "UNTRIAGED"}.get(severity, severity)
        found = {"name": "CVE-2026-0001", "severity": severity, "attributes": []}
        agree(name, pushed(basic("COMPLETE", NOW - DAY, found)), of_finding(POLICIES[name], finding(severity=word_of)))


@pytest.mark.parametrize("name", POLICIES)
def test_a_finding_that_is_known_to_be_bad_refuses_whatever_the_scan_says(name):
    policy, found = POLICIES[name], finding()
    for reason, code in product(aws.REASONS, aws.CODES):
        expected = of_finding(policy, found)
        if expected is not BAD:
            expected = of_scan(policy, meaning_of(code, reason, NOW - DAY, proved=True))
        agree(name, pushed(inspected(row(code, reason), found)), expected)


# Images and repositories


@pytest.mark.parametrize("name", POLICIES)
def test_every_status_of_an_image(name):
    policy = POLICIES[name]
    for status in [*aws.IMAGE_STATUSES, NEW, NONE]:
        members = having(imageStatus=status)
        answer = {
            "imageDigest": DIGEST,
            "imageTags": ["v1"],
            "imageManifestMediaType": OCI_MANIFEST,
            **WHERE,
            **members,
        }
        read = fact(partial(described, answer))
        # Regions without an archive do not say.
        expected = GOOD if status is NONE else aws.IMAGE_STATUSES.get(status, UNKNOWN)
        looks = policy.word is GOOD and "detail" in policy.reads
        agree(name, evidence(detail=read), expected if looks else policy.word)


FILTERS = {"match": "v*", "no match": "dev*", "none": None}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("kind", ["WILDCARD", NEW, NONE])
def test_every_mutability_of_a_repository(name, kind):
    policy = POLICIES[name]
    for mode, matching in product([*aws.MUTABILITY, NEW, NONE], FILTERS):
        text = FILTERS[matching]
        excluded = [] if text is None else [having(filterType=kind, filter=text)]
        answer = having(**WHERE, imageTagMutability=mode, imageTagMutabilityExclusionFilters=excluded)
        read = fact(partial(set_up, answer))
        known = mode in aws.MUTABILITY and (not excluded or kind in aws.FILTER_TYPES)
        # A mode says whether there are filters; where that is not so, either may be the wrong one.
        fits = bool(excluded) is str(mode).endswith("_WITH_EXCLUSION")
        expected = aws.MUTABILITY[mode][matching] if known and fits else UNKNOWN
        agree(name, evidence(settings=read), expected if name == "tags.immutable" else policy.word)


@pytest.mark.parametrize("name", [name for name in POLICIES if name.startswith("tags.")])
@pytest.mark.parametrize("text", [f"{HOST}/team/app@{DIGEST}", f"{IMAGE}@{DIGEST}"], ids=["digest", "tag and digest"])
def test_a_digest_meets_every_demand_on_tags_and_needs_no_fact(name, text):
    nothing = evidence(missing(), detail=missing(), settings=missing(), runnable=missing(), scan_type=missing())
    agree(name, nothing, GOOD, image=text)


# Facts that are missing or stale

FACTS: dict[str, Any] = {
    "detail": detail(pushed_at=PUSHED),
    "settings": settings(),
    "runnable": None,
    "scan_type": ScanType.ENHANCED,
    "scan": report(last_scanned_at=NOW - 2 * DAY),
}


@pytest.mark.parametrize("which", FACTS)
@pytest.mark.parametrize("name", POLICIES)
def test_every_fact_that_is_missing_or_stale(name, which):
    policy = POLICIES[name]
    reads = which in policy.reads and policy.word is GOOD
    value = evidence().runnable.value if which == "runnable" else FACTS[which]  # type: ignore[union-attr]
    stale = known(value, old=DAY, stale=Cause.THROTTLED)
    for changes, state, expected in (
        ({}, missing(Cause.ACCESS_DENIED), UNKNOWN),
        ({}, stale, UNKNOWN),
        ({"max_stale": DAY}, stale, GOOD),
        ({"max_stale": DAY - SECOND}, stale, UNKNOWN),
    ):
        given = {name: each for name, each in FACTS.items() if each is not None} | {which: state}
        collected = evidence(given.pop("scan"), **given)
        agree(name, collected, expected if reads else policy.word, **changes)


@pytest.mark.parametrize("absence", Absence)
@pytest.mark.parametrize("name", POLICIES)
def test_what_is_definitely_not_there_is_bad_and_not_merely_unknown(name, absence):
    policy = POLICIES[name]
    for which, state in (("detail", absence), ("settings", absence), ("runnable", BadContent("bytes that lie"))):
        reads = which in policy.reads and policy.word is GOOD
        given: dict[str, Any] = {which: Known(state, NOW)}
        agree(name, evidence(**given), BAD if reads else policy.word)


# Platforms

AMD, ARM = child("amd", "linux/amd64"), child("arm", "linux/arm64")


@pytest.mark.parametrize("reason", aws.REASONS)
@pytest.mark.parametrize("other", [AMD, ARM])
def test_the_scan_of_a_child_counts_where_its_platform_does(reason, other):
    code = "INACTIVE" if aws.REASONS[reason][0] == "INACTIVE" else "ACTIVE"
    scans = {one.digest: inspected(row()) for one in (AMD, ARM)} | {other.digest: inspected(row(code, reason))}
    collected = pushed(None, runnable=(AMD, ARM), scans=scans)
    bad = of_scan(POLICIES["scan"], meaning_of(code, reason, NOW - DAY))
    agree("scan", collected, bad)
    agree("platforms", collected, bad if other is AMD else GOOD)


def test_a_child_without_a_scan_is_undetermined_where_its_platform_counts():
    for other, expected in ((AMD, UNKNOWN), (ARM, GOOD)):
        one = ARM if other is AMD else AMD
        collected = pushed(None, runnable=(AMD, ARM), scans={one.digest: inspected(row())})
        agree("platforms", collected, expected)
        agree("scan", collected, UNKNOWN)


def test_the_states_say_something():
    """Every meaning of a scan comes up, and so does every word for a pair."""
    meanings = {meaning_of(*each) for each in product(CODES, REASONS, TIMES.values())}
    assert meanings == set(aws.BY_DEFAULT)
    words = {of_scan(policy, meaning) for policy, meaning in product(POLICIES.values(), aws.BY_DEFAULT)}
    assert words == {GOOD, EXEMPT, BAD, UNKNOWN}
