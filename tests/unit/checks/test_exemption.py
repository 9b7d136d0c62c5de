"""Exceptions: what each lets through, until when, and that no two of them together let through more than each alone."""

import itertools
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from tests.unit.builders import (
    DAY,
    HOST,
    IMAGE,
    INSTANT,
    MINUTE,
    NOW,
    broken,
    child,
    digest,
    ecr,
    evidence,
    exception,
    finding,
    full_policy,
    globs,
    host,
    known,
    missing,
    moment,
    package,
    policy,
    report,
    settings,
    subject,
)
from tidegate.admission import known_bad
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.checks import exemption
from tidegate.checks import judge as judging
from tidegate.checks.judge import judge
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.errors import PolicyError
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.evidence.repository import TagMutability
from tidegate.evidence.scan import Answer, ScanState, Severity
from tidegate.policy.exception_object import SPEC
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import (
    Action,
    ExceptableCheck,
    NamespacedExceptions,
    ScanRules,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

ONE, TWO = "CVE-2026-0001", "CVE-2026-0002"
BAD = evidence(report(finding(ONE)), settings=settings(TagMutability.MUTABLE))
BOTH = evidence(report(finding(ONE), finding(TWO)))
END = NOW + DAY
TAGS, SCAN, VULNERABILITIES = ExceptableCheck.TAGS, ExceptableCheck.SCAN, ExceptableCheck.VULNERABILITIES


def by_id(*ids: str, name: str = "allowed", **changes: Any) -> ImagePolicyException:
    return exception(name, vulnerabilities=ids, **changes)


def results(
    *exceptions: ImagePolicyException, collected: ImageEvidence = BAD, image: str = IMAGE, **demanded: Any
) -> dict[Check, CheckResult]:
    found = judge(full_policy(**demanded), subject(image, collected), exceptions)
    return {one.check: one for one in found}


def verdict(
    policies: Any,
    exceptions: Any,
    *,
    image: str = IMAGE,
    namespace: str = "shop",
    collected: ImageEvidence = BAD,
    now: Any = NOW,
) -> ImageVerdict:
    found = PolicySnapshot.of(policies, NO_TRUST, exceptions).for_namespace(namespace, {})
    return judge_plan(make_plan(image, found, ()), collected, now=now, monotonic=moment(now), audit_only=False)


def test_a_check_is_excepted_as_a_whole_and_no_other():
    found = results(exception(checks=(TAGS,)))
    assert [(check.value, one.outcome) for check, one in found.items()] == [
        ("registries", Outcome.PASS),
        ("tags", Outcome.EXEMPT),
        ("scan", Outcome.PASS),
        ("vulnerabilities", Outcome.FAIL),
    ]


def test_an_exemption_names_the_exception_its_end_and_what_it_hides():
    one = results(exception())[Check.VULNERABILITIES]
    assert (one.reason, one.holds_until, one.exceptions) == (Reason.EXCEPTED, END, ("allowed",))
    assert one.found == (
        "excepted by exception allowed until 2026-06-02 12:00 UTC, requested by ann@example.com: the fix is due on Monday"
    )
    assert one.notes == (f"vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0); {one.found}",)
    assert one.details == ("CVE-2026-0001 CRITICAL in openssl 3.0.1, fixed in 3.0.2",)


def test_what_passes_does_not_rest_on_an_exception():
    everything = exception(checks=tuple(ExceptableCheck))
    found = judge(full_policy(), subject(), (everything, by_id(ONE)))
    assert found == judge(full_policy(), subject())


def test_an_exception_ends_at_its_moment_and_not_one_before():
    for now, outcome in ((END - INSTANT, Outcome.EXEMPT), (END, Outcome.FAIL), (END + DAY, Outcome.FAIL)):
        at = judge(full_policy(), subject(IMAGE, evidence(report(finding())), now=now), [exception()])
        assert at[-1].outcome is outcome


def test_of_two_exceptions_the_one_that_ends_last_counts():
    for pair in itertools.permutations([exception("a"), exception("b", expires_at=END + DAY)]):
        one = results(*pair)[Check.VULNERABILITIES]
        assert (one.exceptions, one.holds_until) == (("b",), END + DAY)


def test_a_vulnerability_is_excepted_by_its_id_and_no_other():
    assert results(by_id(ONE))[Check.VULNERABILITIES].outcome is Outcome.EXEMPT
    left = results(by_id(ONE), collected=BOTH)[Check.VULNERABILITIES]
    assert (left.outcome, left.reason, left.found) == (Outcome.FAIL, Reason.VULNERABLE, "1 CRITICAL (allowed 0)")
    assert left.details[0].startswith(TWO)
    for near in ("CVE-2026-000", "CVE-2026-00011", "cve-2026-0001"):
        assert results(by_id(near))[Check.VULNERABILITIES].outcome is Outcome.FAIL


def test_two_vulnerabilities_may_be_excepted_by_an_exception_each():
    found = results(by_id(ONE, name="a"), by_id(TWO, name="b", expires_at=END - MINUTE), collected=BOTH)
    one = found[Check.VULNERABILITIES]
    assert (one.outcome, set(one.exceptions), one.holds_until) == (Outcome.EXEMPT, {"a", "b"}, END - MINUTE)


def test_an_exception_that_is_not_needed_is_not_named_and_does_not_end_the_exemption():
    unneeded = [
        by_id(ONE, name="earlier", expires_at=NOW + MINUTE),
        by_id("CVE-2026-7777", name="of another", expires_at=NOW + MINUTE),
        by_id("CVE-LOW", name="of one that does not count", expires_at=NOW + MINUTE),
    ]
    collected = evidence(report(finding(ONE), finding("CVE-LOW", Severity.LOW)))
    one = results(*unneeded, by_id(ONE, name="used"), collected=collected)[Check.VULNERABILITIES]
    assert (one.exceptions, one.holds_until) == (("used",), END)


def test_more_exceptions_than_are_named_all_count_until_the_first_of_them_ends():
    ids = [f"CVE-{number}" for number in range(exemption.MAX_LABELS + 3)]
    many = [by_id(one, name=one.lower(), expires_at=END + n * MINUTE) for n, one in enumerate(ids)]
    collected = evidence(report(*(finding(one) for one in ids)))
    one = results(*many, collected=collected)[Check.VULNERABILITIES]
    assert (one.outcome, one.holds_until, len(one.exceptions)) == (Outcome.EXEMPT, END, exemption.MAX_LABELS)
    assert one.found.endswith(f"and {len(ids) - exemption.MAX_NAMED} more exceptions")
    assert results(*many[1:], collected=collected)[Check.VULNERABILITIES].outcome is Outcome.FAIL


UNKNOWN_OR_NOT_SCANNED = {
    "could not look": evidence(missing(Cause.THROTTLED)),
    "pending": evidence(report(finding(ONE, Severity.LOW), state=ScanState.PENDING)),
    "failed": evidence(report(state=ScanState.FAILED)),
    "findings cut": evidence(report(finding(ONE), complete=False)),
    "another finding of unknown severity": evidence(report(finding(ONE), finding(TWO, Severity.UNKNOWN))),
    "one platform not scanned": evidence(
        runnable=(child("a", "linux/amd64"), child("b", "linux/arm64")),
        scans={digest("a"): report(finding(ONE)), digest("b"): missing()},
    ),
    "too old": evidence(known(report(finding(ONE)), old=2 * DAY, stale=Cause.UNREACHABLE)),
}


@pytest.mark.parametrize("case", UNKNOWN_OR_NOT_SCANNED)
def test_an_exception_by_id_hides_nothing_that_is_not_known(case):
    collected = UNKNOWN_OR_NOT_SCANNED[case]
    assert not results(by_id(ONE, TWO + "x"), collected=collected)[Check.VULNERABILITIES].lets_through
    assert results(exception(), collected=collected)[Check.VULNERABILITIES].outcome is Outcome.EXEMPT


def test_an_exception_from_the_scan_is_none_from_the_vulnerabilities_that_need_it():
    collected = evidence(report(state=ScanState.PENDING))
    found = results(exception(checks=(SCAN,)), collected=collected)
    assert found[Check.SCAN].outcome is Outcome.EXEMPT
    assert found[Check.VULNERABILITIES].outcome is Outcome.FAIL


def test_a_vulnerability_that_is_excepted_does_not_count_for_any_rule():
    rules = VulnerabilityRules(exploit_available=Tolerance.DENY, epss_threshold=0.1)
    collected = evidence(report(finding(ONE, exploit=Answer.YES, epss=0.9)))
    assert results(by_id(ONE), collected=collected, vulnerabilities=rules)[Check.VULNERABILITIES].lets_through


OTHER_REPOSITORY = f"{HOST}/other/app:v1"
GRANTS: dict[str, dict[str, Any]] = {
    "policy": {"policies": ("full",)},
    "image": {"images": (ecr("team/*"),)},
    "namespace": {"namespaces": globs("shop")},
    "check": {"checks": (VULNERABILITIES,)},
}
MISSES: dict[str, dict[str, Any]] = {
    "policy": {"policies": ("other",)},
    "image": {"images": (ecr("other/*"),)},
    "namespace": {"namespaces": globs("bank")},
    "check": {"checks": (TAGS,)},
}


@pytest.mark.parametrize("missed", [*itertools.combinations(MISSES, 1), *itertools.combinations(MISSES, 2)], ids=str)
def test_two_exceptions_are_never_crossed(missed):
    """Two that together name everything, each something wrong: neither lends the other what it lacks."""
    fits = {name: value for part in GRANTS.values() for name, value in part.items()}
    first = exception("a", **(fits | MISSES[missed[0]]))
    second = exception("b", **(fits | MISSES[missed[-1]]))
    policies = [full_policy(tags=None), full_policy("other", tags=None)]
    assert verdict(policies, [first, second, replace(first, name="c")]).denied
    both = exception("whole", **(fits | {"policies": ("full", "other")}))
    assert not verdict(policies, [first, second, both]).denied


def test_every_combination_of_scopes_excepts_exactly_what_each_exception_names():
    """Check x image x namespace x policy: allowed is what one exception names whole, for every pair of exceptions."""
    axes = [("full", "other"), ("team/*", "other/*"), ("shop", "bank"), (TAGS, VULNERABILITIES)]
    every = list(itertools.product(*axes))
    collected = BAD
    for first, second in itertools.combinations(every, 2):
        pair = [
            exception(name, policies=(one[0],), images=(ecr(one[1]),), namespaces=globs(one[2]), checks=(one[3],))
            for name, one in (("a", first), ("b", second))
        ]
        for repository, namespace in itertools.product(axes[1], axes[2]):
            image = f"{HOST}/{repository.replace('*', 'app')}:v1"
            found = verdict(
                [full_policy(), full_policy("other")], pair, image=image, namespace=namespace, collected=collected
            )
            exempt = {
                (one.policy.name, repository, namespace, result.check.value)
                for one in found.judgements
                for result in one.results
                if result.outcome is Outcome.EXEMPT
            }
            assert exempt == {one for one in (first, second) if one[1] == repository and one[2] == namespace}


def test_an_exception_does_not_reach_another_image_of_the_same_request():
    """Images that match the same policies share a plan's parts: an exception is none of these."""
    snapshot = PolicySnapshot.of([full_policy()], NO_TRUST, [exception(images=(ecr("team/app"),))])
    found = snapshot.for_namespace("shop", {})
    collected = evidence(report(finding()))
    for image, denied in ((IMAGE, False), (OTHER_REPOSITORY, True), (IMAGE, False)):
        plan = make_plan(image, found, ())
        assert judge_plan(plan, collected, now=NOW, monotonic=moment(NOW), audit_only=False).denied is denied


PERMITTED = NamespacedExceptions(checks=frozenset({VULNERABILITIES}), vulnerabilities=True, max_duration=DAY)
NAMESPACED: dict[str, tuple[dict[str, Any], NamespacedExceptions | None, bool]] = {
    "permitted": ({}, PERMITTED, True),
    "one by id": ({"vulnerabilities": (ONE,)}, PERMITTED, True),
    "nothing is permitted": ({}, None, False),
    "another check is permitted": ({}, replace(PERMITTED, checks=frozenset({TAGS})), False),
    "one of its checks is not permitted": ({"checks": (VULNERABILITIES, TAGS)}, PERMITTED, False),
    "by id is not permitted": ({"vulnerabilities": (ONE,)}, replace(PERMITTED, vulnerabilities=False), False),
    "as a whole is not permitted": ({}, replace(PERMITTED, checks=frozenset()), False),
    "too long": ({"created_at": NOW - INSTANT}, PERMITTED, False),
    "in another namespace": ({"namespace": "bank"}, PERMITTED, False),
}


@pytest.mark.parametrize("case", NAMESPACED)
def test_an_exception_of_a_namespace_does_what_the_policy_permits_there(case):
    changes, permitted, lets_through = NAMESPACED[case]
    values: dict[str, Any] = {"namespace": "shop", "namespaces": globs("**"), "created_at": NOW}
    one = exception(**(values | changes))
    found = verdict([full_policy(tags=None, namespaced_exceptions=permitted)], [one])
    assert found.denied is not lets_through


UNLISTED = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"


def test_an_exception_from_the_registries_looks_nothing_up():
    """Rule: no network call for a registry that no policy lists. What needs evidence is refused for that reason."""
    everywhere = (ecr(account="999999999999"), host("ghcr.io"))
    excepted = exception(checks=(ExceptableCheck.REGISTRIES,), images=everywhere)
    for image in (UNLISTED, "ghcr.io/team/app:v1"):
        found = PolicySnapshot.of([full_policy()], NO_TRUST, [excepted]).for_namespace("shop", {})
        plan = make_plan(image, found, ())
        assert plan.wanted is None
        judged = judge_plan(plan, nothing_asked(), now=NOW, monotonic=moment(NOW), audit_only=False)
        assert judged.denied
        (judgement,) = judged.judgements
        assert (judgement.results[0].check, judgement.results[0].outcome) == (Check.REGISTRY, Outcome.EXEMPT)
        assert all(one.outcome is Outcome.FAIL for one in judgement.results[1:])
        if image == UNLISTED:
            assert "have the platform team list the registry" in "\n".join(judged.denial)


def test_an_image_of_a_registry_that_is_not_listed_is_not_tolerated_as_undetermined():
    excepted = exception(checks=(ExceptableCheck.REGISTRIES,), images=(ecr(account="999999999999"),))
    tolerant = full_policy(tags=None, on_undetermined=Tolerance.ALLOW)
    assert verdict([tolerant], [excepted], image=UNLISTED, collected=nothing_asked()).denied
    every = exception("every", checks=tuple(ExceptableCheck), images=(ecr(account="999999999999"),))
    assert not verdict([tolerant], [every], image=UNLISTED, collected=nothing_asked()).denied


def test_an_exception_from_a_check_is_none_from_the_registries():
    everything = exception(
        checks=(TAGS, SCAN, VULNERABILITIES), images=(ecr(account="999999999999"),), namespaces=globs("**")
    )
    assert verdict([full_policy()], [everything], image=UNLISTED, collected=nothing_asked()).denied


def test_neither_a_broken_policy_nor_an_invalid_reference_can_be_excepted():
    every = exception(checks=tuple(ExceptableCheck), policies=("broken", "full"), namespaces=globs("**"))
    assert verdict([broken()], [every]).denied
    assert verdict([full_policy()], [every], image="Not A Reference").denied
    assert verdict([policy("full")], [every]).denied


def test_the_self_check_cannot_be_excepted():
    every = exception(
        checks=tuple(ExceptableCheck),
        policies=(known_bad.POLICY.name,),
        images=(host("self-check.invalid"),),
        namespaces=globs("**"),
    )
    (field,) = [one for one in SPEC.fields if one.name == "policies"]
    with pytest.raises(PolicyError):
        field.shape.read(list(every.policies), "spec.policies")


def test_a_fault_in_an_exception_never_allows():
    with mock.patch.object(judging, "except_results", side_effect=LookupError):
        assert not results(exception())[Check.VULNERABILITIES].lets_through


def test_what_is_excepted_is_warned_of_audited_and_counted():
    found = verdict([full_policy(tags=None)], [exception()])
    (line,) = found.warnings
    assert line.startswith(
        "vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0); excepted by exception allowed"
    )
    assert line.endswith("[policy full]")
    assert len(found.exceptions) == 1
    assert found.exceptions[0].startswith("vulnerabilities: excepted by exception allowed until 2026-06-02 12:00 UTC, ")
    assert found.exceptions[0].endswith("requested by ann@example.com: the fix is due on Monday [policy full]")
    assert (found.outcome, found.holds_until, found.passes) == (Outcome.EXEMPT, END, False)


def test_a_policy_that_only_audits_warns_of_no_exception_and_records_it():
    found = verdict([full_policy(tags=None, actions=frozenset({Action.AUDIT}))], [exception()])
    assert (found.warnings, len(found.exceptions)) == ((), 1)


def test_texts_of_an_exception_cannot_forge_lines():
    evil = exception(requested_by="ann\nALLOWED", reason="x" * 5_000 + "\x1b[2J")
    found = verdict([full_policy(tags=None)], [evil])
    assert all("\n" not in line and "\x1b" not in line and len(line) < 1_000 for line in found.warnings)


def test_a_finding_in_more_than_one_package_is_one_vulnerability():
    collected = evidence(report(finding(ONE, packages=(package(),)), finding(ONE, packages=(package("curl"),))))
    assert results(by_id(ONE), collected=collected)[Check.VULNERABILITIES].lets_through


def test_an_image_that_is_not_scanned_needs_an_exception_from_both_checks():
    collected = evidence(report(state=ScanState.PENDING))
    both = exception(checks=(SCAN, VULNERABILITIES))
    assert not verdict([full_policy(tags=None, scan=ScanRules())], [both], collected=collected).denied
    assert verdict([full_policy(tags=TagRules(digest_required=True))], [both], collected=collected).denied


def test_what_is_tolerated_as_undetermined_names_the_exceptions_that_it_rests_on():
    """Without the exception it would be refused: its use is in the audit log although it does not make the check pass."""
    rules = VulnerabilityRules(max_counts={Severity.CRITICAL: 0}, epss_threshold=0.5)
    collected = evidence(report(finding(ONE, epss=0.1), finding(TWO, Severity.LOW, epss=None)))
    tolerant = full_policy(tags=None, vulnerabilities=rules, on_undetermined=Tolerance.ALLOW)
    assert verdict([tolerant], [], collected=collected).denied
    found = verdict([tolerant], [by_id(ONE)], collected=collected)
    assert (found.denied, found.outcome, found.holds_until) == (False, Outcome.UNDETERMINED, END)
    assert found.exceptions == ("vulnerabilities: judged with allowed [policy full]",)
