"""``tidegate test``: cases are judged by the code of admission, and what a case does not say is never allowed."""

from typing import Any

import pytest

from tests import objects
from tests.unit.cli.policy_cases import (
    CRITICAL,
    ERROR,
    FAILED,
    PASSED,
    REPOSITORY,
    SCANNED,
    CaseWriter,
    case,
    image,
    refuse_network,
)

SIGNED: dict[str, Any] = {
    "signatures": {
        "anyOf": [
            {
                "name": "release",
                "notation": {
                    "trustStores": ["aws-signer"],
                    "trustedIdentities": ["arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"],
                },
            }
        ]
    }
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_network(monkeypatch)


def test_a_case_passes_if_the_answer_is_the_expected_one(tested: CaseWriter) -> None:
    ended = tested()
    assert ended.code == PASSED
    assert ended.out.startswith("PASSED  ")
    assert ended.last == "1 passed"


def test_a_case_fails_if_the_answer_is_another(tested: CaseWriter) -> None:
    ended = tested([image(findings=[CRITICAL])])
    assert ended.code == FAILED
    assert "decision: expected Allowed, got Denied" in ended.out
    assert "vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0) [policy production]" in ended.out
    assert ended.last == "1 failed"


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"reasons": ["VulnerabilitiesFound"]}, ""),
        ({"reasons": ["TagMutable"]}, "reasons: expected TagMutable, got VulnerabilitiesFound"),
        ({"reasons": []}, "reasons: expected none, got VulnerabilitiesFound"),
        ({"images": {f"{REPOSITORY}:v1": ["VulnerabilitiesFound"]}}, ""),
        ({"images": {f"{REPOSITORY}:v1": []}}, ":v1]: expected none, got VulnerabilitiesFound"),
        ({"images": {f"{REPOSITORY}:v2": []}}, ":v2]: the object has no such image"),
        ({"message": ["1 CRITICAL", "xz 5.6.1"]}, ""),
        ({"message": ["2 CRITICAL"]}, "message: expected '2 CRITICAL' in the answer"),
    ],
)
def test_reasons_and_parts_of_the_message_are_compared(
    tested: CaseWriter, expect: dict[str, Any], problem: str
) -> None:
    ended = tested([image(findings=[CRITICAL])], one=case(decision="Denied", **expect))
    assert ended.code == (FAILED if problem else PASSED)
    assert problem in ended.out


@pytest.mark.parametrize(
    ("actions", "decision"), [(["Warn"], "Warned"), (["Audit"], "Audited"), (["Deny", "Audit"], "Denied")]
)
def test_the_decision_is_that_of_the_policys_actions(tested: CaseWriter, actions: list[str], decision: str) -> None:
    spec = objects.POLICY | {"validationActions": actions}
    ended = tested([image(findings=[CRITICAL])], spec=spec, one=case(decision=decision))
    assert ended.code == PASSED, ended.out


# What is not said is not known
@pytest.mark.parametrize("left_out", ["coverage", "findings"])
def test_without_a_part_of_the_scan_the_case_cannot_be_judged(tested: CaseWriter, left_out: str) -> None:
    for decision in ("Allowed", "Denied"):
        images = [image(**{left_out: None}), image(tags=["other"])]
        ended = tested(images, one=case(decision=decision))
        assert ended.code == ERROR
        assert "could not be judged: vulnerabilities CouldNotCheck" in ended.out
        assert "could not check: it was not looked up" in ended.out
        assert f"the case has no evidence.repositories[0].images[0].{left_out}" in ended.out


def test_without_mutability_the_case_cannot_be_judged(tested: CaseWriter) -> None:
    ended = tested(repository={"mutability": None})
    assert ended.code == ERROR
    assert "the case has no evidence.repositories[0].mutability" in ended.out


def test_without_signatures_the_case_cannot_be_judged(tested: CaseWriter) -> None:
    ended = tested(spec=SIGNED)
    assert ended.code == ERROR
    assert "the case has no evidence.repositories[0].images[0].signatures" in ended.out


def test_without_the_image_the_case_cannot_be_judged(tested: CaseWriter) -> None:
    ended = tested(one=case(f"{REPOSITORY}:v2", "Denied"))
    assert ended.code == ERROR
    assert f"the case has no image {REPOSITORY}:v2 in evidence" in ended.out


def test_an_undetermined_answer_may_be_what_is_expected(tested: CaseWriter) -> None:
    ended = tested(
        [image(coverage=None), image(tags=["other"])], one=case(decision="Denied", reasons=["CouldNotCheck"])
    )
    assert ended.code == PASSED, ended.out


def test_what_a_policy_lets_through_undetermined_is_no_allowed(tested: CaseWriter) -> None:
    spec = objects.POLICY | {"onUndetermined": "Allow"}
    ended = tested([image(coverage=None), image(tags=["other"])], spec=spec)
    assert ended.code == ERROR
    assert "could not be judged" in ended.out


def test_an_image_that_no_policy_is_about_is_not_judged(tested: CaseWriter) -> None:
    spec = objects.POLICY | {"match": {"namespaces": ["production"]}}
    assert tested(spec=spec).code == FAILED
    assert tested(spec=spec, one=case(decision="NotJudged")).code == PASSED
    spec = objects.POLICY | {"match": {"images": [{"account": "444455556666"}]}}
    assert tested(spec=spec).code == FAILED


# Evidence
@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"coverage": {"status": "ACTIVE", "reason": "PENDING_INITIAL_SCAN"}}, "ScanPending"),
        ({"coverage": {"status": "INACTIVE", "reason": "SCAN_ELIGIBILITY_EXPIRED"}}, "ScanExpired"),
        ({"coverage": {"status": "INACTIVE", "reason": "UNSUPPORTED_OS"}}, "ScanUnsupported"),
        ({"basic": {"status": "FAILED", "description": "UnsupportedImageError: no"}}, "ScanUnsupported"),
        ({"basic": {"status": "FAILED"}}, "ScanFailed"),
        ({"status": "ARCHIVED"}, "ImageArchived"),
        ({"absent": "ImageNotFound"}, "ImageNotFound"),
    ],
)
def test_the_words_of_aws(tested: CaseWriter, part: dict[str, Any], reason: str) -> None:
    given = image(**({"coverage": None} | part if "basic" in part else part))
    ended = tested([given], one=case(decision="Denied", reasons=[reason]))
    assert ended.code == PASSED, ended.out


def test_no_coverage_is_no_scan(tested: CaseWriter) -> None:
    given = image(findings=None) | {"coverage": None}
    ended = tested([given], one=case(decision="Denied", reasons=["NotScanned"]))
    assert ended.code == PASSED, ended.out
    given = {name: value for name, value in given.items() if name != "coverage"} | {"basic": None}
    ended = tested([given], one=case(decision="Denied", reasons=["NotScanned"]))
    assert ended.code == PASSED, ended.out


def test_basic_scanning(tested: CaseWriter) -> None:
    given = image(coverage=None, basic={"status": "COMPLETE", "completedAt": "-1h"})
    assert tested([given]).code == PASSED
    ended = tested([given | {"findings": [CRITICAL]}], one=case(decision="Denied", reasons=["VulnerabilitiesFound"]))
    assert ended.code == PASSED, ended.out


def test_both_scanners_in_one_registry_are_refused(tested: CaseWriter) -> None:
    ended = tested([image(), image(tags=["v2"], coverage=None, basic={"status": "COMPLETE"})])
    assert ended.code == ERROR
    assert "expected coverage or basic for the images of " in ended.err


def test_the_platforms_of_an_index(tested: CaseWriter) -> None:
    child = {"coverage": SCANNED["coverage"], "findings": []}
    index = {"tags": ["v1"], "pushedAt": "-3d", "platforms": {"linux/amd64": child, "linux/arm64": child}}
    assert tested([index]).code == PASSED
    bad = index | {"platforms": {"linux/amd64": child, "linux/arm64": child | {"findings": [CRITICAL]}}}
    ended = tested([bad], one=case(decision="Denied", reasons=["VulnerabilitiesFound"], message=["linux/arm64"]))
    assert ended.code == PASSED, ended.out
    assert tested([bad], platforms=["linux/amd64"]).code == PASSED
    unknown = index | {"platforms": {"linux/amd64": child, "linux/arm64": {}}}
    assert tested([unknown]).code == ERROR


@pytest.mark.parametrize(
    ("state", "decision", "reason"),
    [
        ("Verified", "Allowed", None),
        ("Failed", "Denied", "SignatureInvalid"),
        ("Absent", "Denied", "SignatureMissing"),
        ("Unknown", "Denied", "CouldNotCheck"),
        ("Logged", "Warned", "NotEnforced"),
    ],
)
def test_stated_results_of_signatures(tested: CaseWriter, state: str, decision: str, reason: str | None) -> None:
    given = image(signatures=[{"authority": "release", "state": state}])
    expected = case(decision=decision, reasons=[] if reason is None else [reason])
    ended = tested([given], spec=SIGNED, one=expected)
    assert ended.code == PASSED, ended.out


def test_a_signature_of_another_authority_or_an_attestation_is_none(tested: CaseWriter) -> None:
    missing = case(decision="Denied", reasons=["SignatureMissing"])
    for stated in (
        [],
        [{"authority": "ci"}],
        [{"authority": "release", "predicateType": "https://slsa.dev/provenance/v1"}],
    ):
        ended = tested([image(signatures=stated)], spec=SIGNED, one=missing)
        assert ended.code == PASSED, ended.out


def test_grace_of_an_image_that_the_namespace_runs(tested: CaseWriter) -> None:
    limits = {"maxCounts": {"CRITICAL": 0}, "runningImages": {"for": "7d"}}
    finding = CRITICAL | {"firstObservedAt": "-1d", "exploitAvailable": "NO"}
    spec = {"vulnerabilities": limits}
    assert tested([image(findings=[finding])], spec=spec, one=case(decision="Denied")).code == PASSED
    running = case(decision="Warned") | {"runningSince": "-2d"}
    ended = tested([image(findings=[finding])], spec=spec, one=running)
    assert ended.code == PASSED, ended.out


def test_labels_of_the_namespace(tested: CaseWriter) -> None:
    spec = objects.POLICY | {"match": {"namespaceSelector": {"matchLabels": {"env": "production"}}}}
    shop = {"namespace": {"name": "shop", "labels": {"env": "production"}}}
    assert tested(spec=spec, one=case() | shop).code == PASSED
    staging = {"namespace": {"name": "shop", "labels": {"env": "staging"}}}
    assert tested(spec=spec, one=case(decision="NotJudged") | staging).code == PASSED


def test_exceptions_of_the_policies_files_count_at_the_time_of_the_case(tested: CaseWriter) -> None:
    excepted = objects.policy_exception(
        "hotfix",
        namespaces=["default"],
        images=[{"account": "111122223333", "repositories": ["team/app"]}],
        expiresAt="2026-11-29T00:00:00Z",
    )
    given = [image(findings=[CRITICAL])]
    ended = tested(given, one=case(decision="Warned", reasons=["Excepted"]), also=(excepted,))
    assert ended.code == PASSED, ended.out
    over = case(decision="Denied") | {"now": "2026-11-29T00:00:01Z"}
    ended = tested(given, one=over, also=(excepted,))
    assert ended.code == PASSED, ended.out


def test_the_evidence_of_a_case_replaces_that_of_the_file(tested: CaseWriter) -> None:
    own = {"repositories": [{"name": REPOSITORY, "mutability": "MUTABLE", "images": [image()]}]}
    ended = tested(one=case(decision="Denied", reasons=["TagMutable"]) | {"evidence": own})
    assert ended.code == PASSED, ended.out
