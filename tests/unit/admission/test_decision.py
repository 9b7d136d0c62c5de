"""The answer to the API server: one block of lines an image, bounded, harmless, and an allow only for judged images."""

import dataclasses
import json
from typing import Any

import pytest

from tests.unit.builders import DIGEST, IMAGE, MOMENT, NOW, evidence, finding, full_policy, package, policy, report
from tidegate.admission.decision import (
    MAX_ALL_WARNINGS_CHARACTERS,
    MAX_ANNOTATION_CHARACTERS,
    MAX_LINE_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    MAX_WARNING_CHARACTERS,
    Mark,
    Status,
    decide,
    pass_without_work,
    refuse_unreadable,
    refuse_unsynced,
)
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.admission.verdict import MAX_DENIAL_LINES, MAX_DETAIL, MAX_DETAILS, Judgement, conclude
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.policy.model import Action, ScanRules
from tidegate.policy.snapshot import PolicySet

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
API_SERVER_WARNINGS = 4096
"""Characters of all warnings of one request beyond which the API server cuts each to 256."""


RESULT = CheckResult(
    check=Check.SCAN, outcome=Outcome.FAIL, reason=Reason.NOT_SCANNED, found="it is bad", remedy="mend it"
)


def verdict(
    outcome=Outcome.PASS,
    *,
    image=IMAGE,
    found="it is bad",
    remedy="mend it",
    notes=(),
    actions=(Action.DENY,),
    name="p",
):
    one = CheckResult(
        check=Check.SCAN, outcome=outcome, reason=Reason.NOT_SCANNED, found=found, remedy=remedy, notes=notes
    )
    judged = Judgement(policy=policy(name, scan=ScanRules(), actions=frozenset(actions)), results=(one,))
    return conclude(image, DIGEST, [judged], audit_only=False)


def answer(*verdicts: Any, expected: int | None = None):
    used = [(f"spec.containers[{index}].image", one) for index, one in enumerate(verdicts)]
    return decide(used, expected=len(used) if expected is None else expected)


def message(*verdicts: Any) -> str:
    decision = answer(*verdicts)
    assert decision.response.status is not None
    return str(decision.response.status.message)


BAD = verdict(Outcome.FAIL)
WARNED = verdict(Outcome.FAIL, actions=(Action.WARN,))
AUDITED = verdict(Outcome.FAIL, actions=(Action.AUDIT,))
GOOD = verdict()

DECISIONS = [
    pytest.param((GOOD,), None, True, Mark.ALLOWED, id="one good image"),
    pytest.param((GOOD, GOOD), None, True, Mark.ALLOWED, id="two good images"),
    pytest.param((GOOD, BAD), None, False, Mark.DENIED, id="the second is bad"),
    pytest.param((BAD, GOOD), None, False, Mark.DENIED, id="the first is bad"),
    pytest.param((WARNED,), None, True, Mark.WARNED, id="a bad image that is warned of"),
    pytest.param((WARNED, BAD), None, False, Mark.DENIED, id="one warned of and one refused"),
    pytest.param((AUDITED,), None, True, Mark.ALLOWED, id="a bad image that is only recorded"),
    pytest.param((GOOD,), 2, False, Mark.DENIED, id="a verdict is missing"),
    pytest.param((GOOD, GOOD), 1, False, Mark.DENIED, id="a verdict too many"),
    pytest.param((), 1, False, Mark.DENIED, id="the only verdict is missing"),
    pytest.param((), 0, False, Mark.DENIED, id="no image was expected"),
]


@pytest.mark.parametrize(("verdicts", "expected", "allowed", "mark"), DECISIONS)
def test_allowed_needs_a_good_verdict_for_each_expected_image(verdicts, expected, allowed, mark):
    decision = answer(*verdicts, expected=expected)
    assert (decision.response.allowed, decision.mark) == (allowed, mark)
    assert decision.response.audit_annotations["decision"] == mark.value
    assert decision.verdicts == verdicts
    if allowed:
        assert decision.response.status is None
    else:
        assert decision.response.status.code == 403
        assert decision.response.status.reason == "Forbidden"


def test_an_incomplete_answer_says_so():
    assert answer(GOOD, expected=2).response.status.message == "tidegate could not judge every image; retry"


def test_the_refusal_says_image_check_reason_finding_remedy_and_policy():
    rules = full_policy("production")
    plan = make_plan(IMAGE, PolicySet.of([rules]), ())
    scanned = report(finding("CVE-2026-7", packages=(package("openssl", "3.0.1", "3.0.2"),)))
    judged = judge_plan(plan, evidence(scanned), now=NOW, monotonic=MOMENT, audit_only=False)
    assert message(judged, GOOD) == (
        "1 of 2 images refused by tidegate\n"
        f"spec.containers[0].image: {IMAGE}\n"
        "  vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0) [policy production]\n"
        "    CVE-2026-7 CRITICAL in openssl 3.0.1, fixed in 3.0.2\n"
        "    To fix: update openssl to the fixed version, then rebuild and push the image"
    )


def test_the_same_image_in_several_places_is_one_block():
    other = verdict(Outcome.FAIL, image="other:v2")
    lines = message(BAD, other, BAD, BAD).splitlines()
    assert lines == [
        "4 of 4 images refused by tidegate",
        f"spec.containers[0].image (+2 more): {IMAGE}",
        *BAD.denial,
        "spec.containers[1].image: other:v2",
        *other.denial,
    ]


def test_an_image_that_is_refused_for_another_reason_has_another_block():
    assert len(message(BAD, verdict(Outcome.FAIL, found="worse")).splitlines()) == 1 + 2 * 3


def test_foreign_text_cannot_break_the_lines_or_reach_the_terminal():
    hostile = "evil\x1b[2J\nimage good: allowed\r\u202e"
    denied = verdict(Outcome.FAIL, image=hostile, found=hostile, remedy=hostile)
    warned = verdict(Outcome.FAIL, image=hostile, found=hostile, actions=(Action.WARN,))
    noted = verdict(image=hostile, notes=(hostile,))
    response = answer(denied, warned, noted).response
    lines = response.status.message.splitlines()
    assert len(lines) == 4
    assert len(response.warnings) == 2
    annotations = [line for text in response.audit_annotations.values() for line in text.split("\n")]
    assert all(text.isprintable() for text in (*lines, *response.warnings, *annotations))


def test_a_refusal_is_bounded_however_many_images_it_names():
    many = [verdict(Outcome.FAIL, image=f"team/app-{number}:v1", found="x" * 2000) for number in range(256)]
    text = message(*many)
    assert len(text) <= MAX_MESSAGE_CHARACTERS
    assert text.startswith("256 of 256 images refused by tidegate\nspec.containers[0].image: team/app-0:v1\n")
    assert all(len(line) <= MAX_LINE_CHARACTERS for line in text.splitlines())
    assert text.endswith("\nand more; see the audit log")


def test_what_was_found_is_cut_before_the_remedy_and_the_policy_are():
    name = "p" * 253
    text = message(verdict(Outcome.FAIL, found="f" * 5000, remedy="r" * 5000, name=name))
    assert f"[policy {name}]" in text
    assert "To fix: rrr" in text


def test_details_stand_on_lines_of_their_own_and_are_bounded():
    details = tuple(f"detail {number} " + "d" * 500 for number in range(9))
    found = dataclasses.replace(RESULT, details=details)
    judged = Judgement(policy=policy("p", scan=ScanRules()), results=(found,))
    lines = message(conclude(IMAGE, DIGEST, [judged], audit_only=False)).splitlines()
    assert [line[:12] for line in lines[3:-1]] == [f"    detail {number}" for number in range(MAX_DETAILS)]
    assert all(len(line) <= MAX_DETAIL + 4 for line in lines[3:-1])


def test_a_result_that_many_policies_share_stands_once():
    judgements = [Judgement(policy=policy(f"p{number}", scan=ScanRules()), results=(RESULT,)) for number in range(20)]
    lines = message(conclude(IMAGE, DIGEST, judgements, audit_only=False)).splitlines()
    assert lines[2:] == ["  scan NotScanned: it is bad [policies p0, p1, p2 and 17 more]", "    To fix: mend it"]


def test_an_image_has_a_bounded_number_of_lines():
    judgements = [
        Judgement(policy=policy(f"p{one}", scan=ScanRules()), results=(dataclasses.replace(RESULT, found=f"f{one}"),))
        for one in range(MAX_DENIAL_LINES)
    ]
    assert len(conclude(IMAGE, DIGEST, judgements, audit_only=False).denial) == MAX_DENIAL_LINES


def test_warnings_name_place_and_image_and_each_stands_once():
    noted = verdict(notes=("old evidence",))
    response = answer(noted, GOOD).response
    assert response.warnings == [
        f"tidegate: spec.containers[0].image: image {IMAGE}: old evidence [policy p]",
    ]
    assert decide([("a", noted), ("a", noted)], expected=2).response.warnings == [
        f"tidegate: a: image {IMAGE}: old evidence [policy p]",
    ]


@pytest.mark.parametrize("count", [1, 4, 5, 6, 256])
def test_all_warnings_together_stay_below_what_the_api_server_cuts(count):
    long = [
        verdict(Outcome.FAIL, image=f"team/app-{number}:v1", found="x" * 2000, actions=(Action.WARN,))
        for number in range(count)
    ]
    warnings = answer(*long).response.warnings
    assert all(len(text) <= MAX_WARNING_CHARACTERS for text in warnings)
    assert sum(map(len, warnings)) < API_SERVER_WARNINGS
    shown = [text for text in warnings if "team/app-" in text]
    assert sum(map(len, shown)) <= MAX_ALL_WARNINGS_CHARACTERS
    if len(shown) < count:
        assert warnings[-1] == f"tidegate: {count - len(shown)} more warnings; see the audit log"
    else:
        assert len(warnings) == count


def test_warnings_that_just_fit_are_all_shown():
    def sized(number, length):
        image = f"i{number}"
        frame = len(f"tidegate: spec.containers[{number}].image: image {image}:  [policy p]")
        return verdict(image=image, notes=("n" * (length - frame),))

    half = MAX_ALL_WARNINGS_CHARACTERS // 7
    fitting = [sized(number, half) for number in range(7)]
    assert MAX_ALL_WARNINGS_CHARACTERS % 7 == 0
    assert len(answer(*fitting).response.warnings) == 7
    assert answer(*fitting[:6], sized(6, half + 1)).response.warnings[-1].startswith("tidegate: 1 more warnings")


def test_the_audit_annotations_hold_decision_images_policies_and_what_did_not_pass():
    annotations = answer(BAD, GOOD, BAD).response.audit_annotations
    assert annotations == {
        "decision": "denied",
        "images": f"{IMAGE} {DIGEST} Fail, {IMAGE} {DIGEST} Pass",
        "policies": "p/1",
        "findings": f"{IMAGE}: scan NotScanned: it is bad. To fix: mend it. [policy p]",
    }
    assert "findings" not in answer(GOOD).response.audit_annotations


def test_audit_annotations_are_bounded():
    many = [
        verdict(Outcome.FAIL, image=f"team/app-{number}:v1", found="x" * 500, name=f"policy-{number}")
        for number in range(256)
    ]
    annotations = answer(*many).response.audit_annotations
    assert set(annotations) == {"decision", "images", "policies", "findings"}
    assert all(len(text) <= MAX_ANNOTATION_CHARACTERS for text in annotations.values())


def test_telemetry_gets_each_result_that_did_not_pass_denied_or_not():
    decision = answer(BAD, GOOD, AUDITED, verdict(Outcome.UNDETERMINED, name="q"))
    assert decision.refusals == (
        ("p", "scan", "Fail", "NotScanned"),
        ("p", "scan", "Fail", "NotScanned"),
        ("q", "scan", "Undetermined", "NotScanned"),
    )
    assert answer(GOOD, verdict(Outcome.EXEMPT)).refusals == (("p", "scan", "Exempt", "NotScanned"),)
    assert answer(GOOD).refusals == ()


@pytest.mark.parametrize("stale", [True, False])
def test_an_answer_is_stale_when_one_of_its_verdicts_is(stale):
    other = conclude(IMAGE, DIGEST, GOOD.judgements, audit_only=False, stale=stale)
    assert answer(GOOD, other).stale is stale


@pytest.mark.parametrize("mark", [Mark.UNCHANGED, Mark.NO_IMAGES, Mark.NO_POLICY])
def test_a_request_without_work_is_allowed_and_says_why(mark):
    decision = pass_without_work(mark)
    assert (decision.response.allowed, decision.mark) == (True, mark)
    assert decision.response.audit_annotations == {"decision": mark.value}


REFUSALS = [
    pytest.param(lambda audit: refuse_unreadable("no \x1b[2J object", audit_only=audit), 400, id="unreadable"),
    pytest.param(lambda audit: refuse_unsynced(audit_only=audit), 503, id="policies not read yet"),
]


@pytest.mark.parametrize(("refuse", "code"), REFUSALS)
def test_what_cannot_be_judged_is_refused_unless_nothing_is_enforced(refuse, code):
    enforced, audited = refuse(False), refuse(True)
    assert not enforced.response.allowed
    assert enforced.response.status.code == code
    assert enforced.response.status.message.isprintable()
    assert enforced.response.warnings == []
    assert audited.response.allowed
    assert audited.response.status is None
    assert audited.response.warnings == [enforced.response.status.message]
    mark = Mark.UNREADABLE if code == 400 else Mark.UNSYNCED
    assert enforced.mark is audited.mark is mark
    assert enforced.response.audit_annotations == audited.response.audit_annotations == {"decision": mark.value}


def test_kubernetes_words_and_ours_say_why_nothing_was_judged():
    unreadable = refuse_unreadable("no object", audit_only=False).response.status
    assert unreadable == Status(400, "tidegate cannot judge this request: no object", "BadRequest")
    text = (
        "tidegate has not read its policies yet and cannot judge this request; retry in a few seconds, "
        "and tell the platform team if it persists"
    )
    assert refuse_unsynced(audit_only=False).response.status == Status(503, text, "ServiceUnavailable")


def test_an_unreadable_request_is_described_only_so_far():
    status = refuse_unreadable("x" * 9000, audit_only=False).response.status
    assert status is not None
    assert len(status.message) < 600


def test_a_refusal_is_encoded_as_the_api_server_reads_it():
    review = json.loads(answer(BAD).encode(UID))
    assert review["apiVersion"] == "admission.k8s.io/v1"
    assert review["kind"] == "AdmissionReview"
    response = review["response"]
    assert (response["uid"], response["allowed"]) == (UID, False)
    assert set(response) == {"uid", "allowed", "status", "auditAnnotations"}
    assert response["auditAnnotations"] == answer(BAD).response.audit_annotations
    assert response["auditAnnotations"]["decision"] == "denied"
    assert response["status"] == {"code": 403, "message": message(BAD), "reason": "Forbidden"}


def test_an_allow_is_encoded_with_its_warnings_and_without_a_status():
    response = json.loads(answer(WARNED).encode(UID))["response"]
    assert response["allowed"] is True
    assert set(response) == {"uid", "allowed", "warnings", "auditAnnotations"}


def test_the_audit_annotations_separate_policies_and_findings():
    both = answer(verdict(Outcome.FAIL, name="a"), verdict(Outcome.FAIL, image=f"{IMAGE}2", name="b"))
    annotations = both.response.audit_annotations
    assert annotations["policies"] == "a/1, b/1"
    assert len(annotations["findings"].splitlines()) == 2
    assert all(line.startswith(IMAGE) for line in annotations["findings"].splitlines())
