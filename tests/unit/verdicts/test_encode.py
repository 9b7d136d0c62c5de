"""An ImageVerdict says what is known of one image: outcome, where it runs, and the facts to judge it by again."""

from dataclasses import replace

import pytest
from hypothesis import given as drawn

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOUR,
    MINUTE,
    NOW,
    SCANNED,
    SECOND,
    detail,
    digest,
    evidence,
    finding,
    findings,
    full_policy,
    known,
    missing,
    package,
    policy,
    report,
    settings,
)
from tests.unit.strategies import collected
from tests.unit.verdicts.given import given, usage, verdict
from tidegate.checks.result import Outcome
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.evidence.repository import RepositorySettings, ScanType
from tidegate.evidence.scan import ScanState, Severity
from tidegate.evidence.verification_result import (
    Attempt,
    VerificationResult,
    VerificationResults,
    VerificationState,
)
from tidegate.policy.model import Action, Tolerance, VulnerabilityRules
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.fingerprint import fingerprint
from tidegate.signing.requirements import Requirement
from tidegate.verdicts.decode import decode
from tidegate.verdicts.encode import encode, timeless
from tidegate.verdicts.shape import REFUSED_LABEL
from tidegate.verdicts.usage import Usage

AUTHORITY = NotationAuthority(name="release", trust_stores=("acme",), trusted_identities=("*",))
REQUIREMENT = Requirement(authority=AUTHORITY, trust=NO_TRUST)


def test_a_good_image():
    stored = encode(given(), NOW)
    assert stored["metadata"]["labels"][REFUSED_LABEL] == "false"
    assert stored["spec"] == {"repository": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app", "digest": DIGEST}
    status = stored["status"]
    del status["evidence"]["data"]
    assert status == {
        "writtenAt": "2026-06-01T12:00:00Z",
        "outcome": "Pass",
        "refused": False,
        "since": "2026-06-01T12:00:00Z",
        "policies": [{"name": "full", "generation": 1, "actions": ["Deny"], "outcome": "Pass", "namespaces": ["shop"]}],
        "images": [{"digest": DIGEST, "scan": "Scanned", "lastScannedAt": "2026-05-31T12:00:00Z"}],
        "runs": {
            "pods": 2,
            "where": "shop",
            "namespaces": [
                {
                    "name": "shop",
                    "pods": 2,
                    "since": "2026-05-31T12:00:00Z",
                    "workloads": [{"kind": "Deployment", "name": "web"}],
                }
            ],
            "tags": ["v1"],
        },
        "evidence": {
            "observedAt": "2026-06-01T11:59:00Z",
            "settingsObservedAt": "2026-06-01T11:59:00Z",
            "tags": [{"name": "v1", "observedAt": "2026-06-01T12:00:00Z"}],
        },
    }


def test_a_bad_image_says_what_was_found_and_how_to_fix_it():
    stored = decode(encode(given(evidence(report(finding(), finding("CVE-2", Severity.HIGH)))), NOW)).status
    assert (stored.outcome, stored.refused, stored.reasons) == (Outcome.FAIL, True, ("VulnerabilitiesFound",))
    assert stored.message.startswith("vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0): CVE-2026-0001")
    (result,) = stored.policies[0].results
    assert result.remedy == "update openssl to the fixed version, then rebuild and push the image"
    assert stored.severities == {"CRITICAL": 1, "HIGH": 1}
    assert [one.id for one in stored.findings] == ["CVE-2026-0001", "CVE-2"]
    assert (stored.findings[0].package, stored.findings[0].fixed_in) == ("openssl", "3.0.2")


@pytest.mark.parametrize(
    ("actions", "tolerance", "refused"),
    [
        ({Action.DENY}, Tolerance.DENY, True),
        ({Action.WARN, Action.AUDIT}, Tolerance.DENY, False),
        ({Action.DENY}, Tolerance.ALLOW, True),
        (set(), Tolerance.DENY, True),
    ],
)
def test_only_a_policy_that_denies_refuses(actions, tolerance, refused):
    rules = full_policy(actions=frozenset(actions), on_undetermined=tolerance)
    stored = encode(given(evidence(report(finding())), policies=(rules,)), NOW)
    assert stored["status"]["refused"] is refused
    assert stored["metadata"]["labels"][REFUSED_LABEL] == str(refused).lower()
    assert stored["status"]["outcome"] == "Fail"


def test_the_exceptions_that_a_result_rests_on_are_named():
    excepted = verdict(evidence(report(finding())))
    judgement = excepted.verdict.judgements[0]
    results = tuple(
        replace(one, outcome=Outcome.EXEMPT, exceptions=("break-glass", "shop/legacy")) if one.found else one
        for one in judgement.results
    )
    exempt = replace(excepted.verdict, judgements=(replace(judgement, results=results),))
    stored = decode(encode(given(judged=[replace(excepted, verdict=exempt)]), NOW)).status
    assert (stored.outcome, stored.refused) == (Outcome.EXEMPT, False)
    assert [one.exception for one in stored.policies[0].results] == ["break-glass, shop/legacy"]


def test_what_is_undetermined_and_tolerated_is_not_refused():
    rules = full_policy(on_undetermined=Tolerance.ALLOW)
    stored = encode(given(evidence(missing()), policies=(rules,)), NOW)["status"]
    assert (stored["outcome"], stored["refused"]) == ("Undetermined", False)


def test_no_policy_is_a_pass_without_policies():
    stored = encode(given(policies=()), NOW)["status"]
    assert (stored["outcome"], stored.get("policies")) == ("Pass", None)


def test_the_worst_policy_is_first_and_equal_judgements_of_namespaces_are_one():
    bad = evidence(report(finding()))
    strict, mild = full_policy("z-strict"), full_policy("a-mild", vulnerabilities=None)
    judged = [verdict(bad, namespace, (strict, mild)) for namespace in ("shop", "web")]
    judged.append(verdict(evidence(), "other", (strict, mild)))
    stored = decode(encode(given(bad, judged=judged, runs=usage("shop", "web", "other")), NOW)).status
    assert [(one.name, one.outcome, one.namespaces) for one in stored.policies] == [
        ("z-strict", Outcome.FAIL, ("shop", "web")),
        ("a-mild", Outcome.PASS, ("other", "shop", "web")),
        ("z-strict", Outcome.PASS, ("other",)),
    ]


def test_the_worst_child_of_an_index_is_shown():
    children = {
        digest("amd"): report(),
        digest("arm"): report(*findings(HIGH=2)),
        digest("s390x"): report(*findings(LOW=9)),
    }
    stored = decode(encode(given(evidence(scans=children)), NOW)).status
    assert stored.severities == {"HIGH": 2}


def test_suppressed_findings_are_not_counted():
    stored = encode(given(evidence(report(finding(suppressed=True)))), NOW)["status"]
    assert "severities" not in stored
    assert "findings" not in stored


def test_the_causes_that_operators_alone_may_read_are_not_stored():
    """Users of the cluster may read ImageVerdicts."""
    secret = "arn:aws:iam::123456789012:role/secret"
    rules = policy("broken", vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}))
    judged = verdict(evidence(missing(Cause.ACCESS_DENIED, secret)), policies=(rules,))
    assert judged.verdict.outcome is Outcome.UNDETERMINED
    stored = encode(given(judged=[judged]), NOW)
    assert "cause" not in stored["status"]["policies"][0]["results"][0]


def test_since_is_kept_until_the_outcome_changes():
    good, bad = given(), given(evidence(report(finding())))
    first = decode(encode(good, NOW))
    same = decode(encode(good, NOW + HOUR, before=first))
    assert (same.status.since, same.status.written_at) == (NOW, NOW + HOUR)
    turned = decode(encode(bad, NOW + 2 * HOUR, before=same))
    assert turned.status.since == NOW + 2 * HOUR
    only_warned = given(evidence(report(finding())), policies=(full_policy(actions=frozenset({Action.WARN})),))
    assert decode(encode(only_warned, NOW + 3 * HOUR, before=turned)).status.since == NOW + 3 * HOUR


def test_what_does_not_run_any_more_was_last_seen_when_that_was_first_written():
    first = decode(encode(given(), NOW))
    assert first.status.runs.last_seen is None
    gone = decode(encode(given(runs=Usage()), NOW + HOUR, before=first))
    assert (gone.status.runs.pods, gone.status.runs.last_seen) == (0, NOW + HOUR)
    later = decode(encode(given(runs=Usage()), NOW + 2 * HOUR, before=gone))
    assert later.status.runs.last_seen == NOW + HOUR
    assert decode(encode(given(), NOW + 3 * HOUR, before=later)).status.runs.last_seen is None


def test_the_same_at_another_time_is_the_same():
    """Only then is nothing written: neither the time of writing nor, on one day, of look-ups counts."""
    first = encode(given(), NOW)
    aged = evidence(detail=known(detail(), old=HOUR), settings=known(settings(), old=2 * HOUR))
    again = encode(given(aged, tags={"v1": NOW + MINUTE}), NOW + MINUTE, before=decode(first))
    assert first != again
    assert timeless(first) == timeless(again)
    other_tag = encode(given(tags={"v2": NOW}, runs=usage(tags=())), NOW, before=None)
    assert timeless(first) != timeless(other_tag)
    for changed in (
        given(evidence(report(finding(severity=Severity.LOW)))),
        given(runs=usage("shop", "web")),
        given(evidence(settings=settings(exclusion_filters=("v*",)))),
    ):
        assert timeless(first) != timeless(encode(changed, NOW, before=decode(first)))


@pytest.mark.parametrize(("later", "written"), [(DAY - SECOND, False), (DAY, True), (-SECOND, True)])
def test_the_time_of_a_scan_alone_is_written_once_a_day(later, written):
    before = SCANNED - 3 * DAY
    first = encode(given(evidence(report(last_scanned_at=before))), NOW)
    again = evidence(report(last_scanned_at=before + later, scanned_since=before))
    assert (timeless(first) != timeless(encode(given(again), NOW, before=decode(first)))) is written


@pytest.mark.parametrize("again", ["pushed_at", "restored_at"])
def test_a_scan_from_before_a_push_or_restore_is_never_kept_as_the_one_after_it(again):
    """It would prove that the findings of the new scan had arrived."""
    before = decode(encode(given(evidence(report(last_scanned_at=NOW - 2 * HOUR))), NOW - HOUR))
    anew = detail(**{again: NOW - 2 * HOUR + MINUTE})
    after = decode(encode(given(evidence(report(last_scanned_at=NOW - MINUTE), detail=anew)), NOW, before=before))
    assert after.facts.scans[DIGEST].coverage.last_scanned_at == NOW - MINUTE


def test_a_scan_that_has_a_time_now_is_written():
    first = encode(given(evidence(report(last_scanned_at=None))), NOW)
    assert timeless(first) != timeless(encode(given(), NOW, before=decode(first)))


@pytest.mark.parametrize(
    "again",
    [
        given(evidence(detail=known(detail(), old=DAY))),
        given(evidence(settings=known(settings(), old=DAY))),
        given(tags={"v1": NOW + DAY}),
    ],
    ids=["the image", "the settings", "a tag"],
)
def test_facts_that_were_looked_up_on_another_day_are_written(again):
    """So what is stored is at most about a day old, as the full re-read of every image is spread over a day."""
    first = encode(given(), NOW)
    assert timeless(first) != timeless(encode(again, NOW, before=decode(first)))


def test_an_object_without_labels_or_of_another_image_is_not_the_same():
    first = encode(given(), NOW)
    assert timeless(first) != timeless(first | {"metadata": {"name": first["metadata"]["name"]}})
    assert timeless(first) != timeless(first | {"spec": first["spec"] | {"digest": digest("other")}})
    assert timeless(first) != timeless({name: value for name, value in first.items() if name != "status"})


def test_what_could_not_be_looked_up_never_replaces_what_is_stored():
    before = decode(encode(given(evidence(report(finding()))), NOW))
    outage = evidence(missing(), detail=missing(), settings=missing(), runnable=missing(), scan_type=missing())
    after = decode(encode(given(outage, tags={}), NOW + HOUR, before=before))
    assert after.facts == before.facts
    assert after.status.evidence is not None
    assert before.status.evidence is not None
    assert after.status.evidence.observed_at == before.status.evidence.observed_at
    assert [tag.name for tag in after.status.evidence.tags] == ["v1"]


def test_scans_that_no_policy_wants_any_more_are_forgotten():
    """Nothing looks them up again when they change."""
    before = decode(encode(given(), NOW))
    assert before.facts.scans
    unwanted = evidence(scans={}, scan_type=Missing(Cause.NOT_ASKED, ""))
    assert decode(encode(given(unwanted), NOW, before=before)).facts.scans == {}
    nothing = decode(encode(given(nothing_asked(), judged=()), NOW, before=before))
    assert nothing.status.evidence is None
    away = decode(encode(given(nothing_asked(), judged=(), runs=Usage()), NOW, before=before))
    assert away.facts == before.facts


def test_an_image_that_is_gone_keeps_no_facts():
    before = decode(encode(given(), NOW))
    assert decode(encode(given(evidence(detail=Absence.IMAGE)), NOW, before=before)).status.evidence is None


def test_facts_about_another_digest_are_not_kept():
    assert decode(encode(given(digest=digest("other")), NOW)).status.evidence is None


def test_content_that_is_no_image_and_a_repository_that_is_gone_replace_what_was_stored():
    before = decode(encode(given(), NOW))
    bad = evidence(runnable=known(BadContent("bytes that lie")), settings=known(Absence.REPOSITORY))
    after = decode(encode(given(bad), NOW, before=before))
    assert (after.facts.runnable, after.facts.settings) == (None, None)
    assert after.status.evidence is not None
    assert after.status.evidence.settings_observed_at is None


def signed(state: VerificationState = VerificationState.VERIFIED, *, signer: str = "ann") -> ImageEvidence:
    """Evidence of an image that one authority signed."""
    attempt = Attempt(manifest_digest=digest("signature"), state=state, signer=signer, text="for operators", clause="c")
    results = VerificationResults(by_requirement={REQUIREMENT: VerificationResult(state=state, decisive=attempt)})
    return replace(evidence(), proofs={DIGEST: known(results)})


def test_of_signatures_only_what_is_verified_is_stored_and_no_text_for_operators():
    stored = decode(encode(given(signed()), NOW))
    assert stored.status.signers == ("ann",)
    assert stored.facts.verified == {
        DIGEST: {
            fingerprint(REQUIREMENT): Attempt(
                manifest_digest=digest("signature"), state=VerificationState.VERIFIED, signer="ann"
            )
        }
    }
    assert stored.status.evidence is not None
    assert stored.status.evidence.signatures_observed_at == NOW - MINUTE
    for state in set(VerificationState) - {VerificationState.VERIFIED}:
        other = decode(encode(given(signed(state)), NOW, before=stored))
        assert (other.facts.verified, other.status.signers) == ({}, ())


def test_signatures_that_could_not_be_looked_at_leave_what_is_stored():
    before = decode(encode(given(signed()), NOW))
    for lost in (evidence(), replace(evidence(), proofs={DIGEST: missing()})):
        after = decode(encode(given(lost), NOW + HOUR, before=before))
        assert after.facts.verified == before.facts.verified
        assert after.status.evidence is not None
        assert after.status.evidence.signatures_observed_at == NOW - MINUTE


def test_tags_that_no_pod_uses_are_forgotten_with_the_look_up_that_knew_them():
    before = decode(encode(given(tags={"v1": NOW, "old": NOW}), NOW))
    after = decode(encode(given(tags={}), NOW, before=before))
    assert after.status.evidence is not None
    assert [tag.name for tag in after.status.evidence.tags] == ["v1"]


def test_the_facts_of_an_index_come_back_with_their_platforms():
    facts = decode(encode(given(evidence(report(state=ScanState.SCANNED_AGAIN), scan_type=ScanType.BASIC)), NOW)).facts
    assert facts.scan_type is ScanType.BASIC
    assert facts.scans[DIGEST].coverage.state is ScanState.SCANNED_AGAIN


@drawn(collected())
def test_what_is_encoded_comes_back(found):
    """Every fact about the digest that is known comes back as it was; nothing else does."""
    stored = decode(encode(given(found), NOW))
    image = found.detail.value if isinstance(found.detail, Known) else None
    if not isinstance(image, ImageDetail) or image.digest != DIGEST:
        assert stored.status.evidence is None
        return
    facts = stored.facts
    assert facts.detail == image
    assert facts.runnable == (
        found.runnable.value if isinstance(getattr(found.runnable, "value", None), tuple) else None
    )
    assert facts.scan_type == getattr(found.scan_type, "value", None)
    kept = getattr(found.settings, "value", None)
    assert facts.settings == (kept if isinstance(kept, RepositorySettings) else None)
    scans = {one: fact.value for one, fact in found.scans.items() if isinstance(fact, Known)}
    assert facts.scans == {one: scan.without_earlier_scans() for one, scan in scans.items()}
    times = [fact.observed_at for fact in (found.detail, *found.scans.values()) if isinstance(fact, Known)]
    assert stored.status.evidence is not None
    assert stored.status.evidence.observed_at == min(times)


@drawn(collected())
def test_two_writers_write_the_same(found):
    first = encode(given(found), NOW)
    assert first == encode(given(found), NOW)
    assert timeless(first) == timeless(encode(given(found), NOW + HOUR, before=decode(first)))


def test_a_finding_without_a_package():
    bare = finding(packages=())
    long = finding("CVE-3", packages=(package("p" * 500, "i" * 500, "f" * 500),), epss=0.5)
    stored = decode(encode(given(evidence(report(bare, long))), NOW)).status
    assert {(one.id, one.package[:2], len(one.package)) for one in stored.findings} == {
        ("CVE-2026-0001", "", 0),
        ("CVE-3", "pp", 64),
    }
