"""``tidegate test``: cases are judged by the code of admission, and what a case does not say is never allowed."""

import json
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import objects
from tests.unit.cli.commands import Ended, run

PASSED, FAILED, ERROR = 0, 1, 2
REPOSITORY = f"{objects.ECR}/team/app"
SCANNED: dict[str, Any] = {
    "coverage": {"status": "ACTIVE", "reason": "SUCCESSFUL", "lastScannedAt": "-1h"},
    "findings": [],
    "pushedAt": "-30d",
}
CRITICAL = {"id": "CVE-2024-3094", "severity": "CRITICAL", "packages": [{"name": "xz", "installed": "5.6.1"}]}
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
CaseWriter = Callable[..., Ended]


def case(image: str = f"{REPOSITORY}:v1", decision: str = "Allowed", **expect: Any) -> dict[str, Any]:
    return {"name": "the case", "object": objects.pod(image), "expect": {"decision": decision, **expect}}


def image(**more: Any) -> dict[str, Any]:
    """An image that meets a policy on tags and vulnerabilities; what is None is left out."""
    return {name: value for name, value in ({"tags": ["v1"]} | SCANNED | more).items() if value is not None}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections and look-ups of names; the event loop has a pair of sockets of its own."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def tested(tmp_path: Path) -> CaseWriter:
    """Write a file with one case and its policies, and run it."""

    def write(
        images: list[dict[str, Any]] | None = None,
        *,
        one: dict[str, Any] | None = None,
        spec: dict[str, Any] | None = None,
        repository: dict[str, Any] | None = None,
        arguments: tuple[object, ...] = (),
        also: tuple[dict[str, Any], ...] = (),
        **content: Any,
    ) -> Ended:
        policy = objects.image_policy("production", objects.POLICY if spec is None else spec)
        (tmp_path / "policies.yaml").write_text(yaml.safe_dump_all([policy, *also]))
        evidence = {
            "repositories": [
                {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": images or [image()]} | (repository or {})
            ]
        }
        document = {
            "apiVersion": "cli.tidegate.dev/v1alpha1",
            "kind": "Test",
            "metadata": {"name": "suite"},
            "policies": ["policies.yaml"],
            "now": "2026-11-28T12:00:00Z",
            "evidence": evidence,
            "cases": [one or case()],
        } | content
        file = tmp_path / "cases.yaml"
        file.write_text(yaml.safe_dump(document))
        return run("test", file, *arguments)

    return write


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


def test_an_object_in_a_file_beside_the_cases(tested: CaseWriter, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(objects.pod(f"{REPOSITORY}:v1")))
    assert tested(one=case() | {"object": "pod.yaml"}).code == PASSED
    (tmp_path / "pod.yaml").write_text("")
    ended = tested(one=case() | {"object": "pod.yaml"})
    assert ended.code == ERROR
    assert "expected a file with one object" in ended.err


# Configuration of the repository and its registry
CI = "arn:aws:iam::111122223333:role/ci-push"
ONLY_CI: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": CI}},
        }
    ],
}
FEW: dict[str, Any] = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
            "action": {"type": "expire"},
        }
    ]
}
REGISTRY: dict[str, Any] = {
    "name": objects.ECR,
    "policy": None,
    "policyScope": "V2",
    "scanning": {"type": "ENHANCED", "rules": [{"frequency": "CONTINUOUS_SCAN", "filters": ["team/*"]}]},
    "pullThrough": [],
    "replication": [],
}
CONFIGURED: dict[str, Any] = {
    "policy": ONLY_CI,
    "lifecyclePolicy": None,
    "encryption": {"type": "KMS"},
    "scanning": {"frequency": "CONTINUOUS_SCAN", "filters": ["team/*"]},
}
CONFIGURATION: dict[str, Any] = {
    "push": {"restrictedTo": [CI]},
    "pull": {},
    "scanning": "Continuous",
    "encryption": "KMS",
    "lifecycle": "KeepsRunningImages",
}


def configured(
    tested: CaseWriter,
    repository: dict[str, Any] | None = None,
    registry: dict[str, Any] | None = None,
    *,
    one: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
) -> Ended:
    """Run a case of an image in a repository that is configured well but for what is given; what is ... is left out."""
    parts = [base | (changed or {}) for base, changed in ((CONFIGURED, repository), (REGISTRY, registry))]
    mine, registries = ({name: value for name, value in part.items() if value is not ...} for part in parts)
    stored = {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": [image()]} | mine
    evidence = {"repositories": [stored], "registries": [registries]}
    return tested(spec={"repository": CONFIGURATION if rules is None else rules}, evidence=evidence, one=one)


@pytest.mark.parametrize("written", [ONLY_CI, json.dumps(ONLY_CI)], ids=["mapping", "text"])
def test_a_repository_that_is_configured_as_required(tested: CaseWriter, written: Any) -> None:
    ended = configured(tested, {"policy": written})
    assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("repository", "registry", "reason"),
    [
        ({"policy": None}, {}, "PushNotRestricted"),
        ({"policy": {**ONLY_CI, "Statement": []}}, {}, "PushNotRestricted"),
        ({"encryption": {"type": "AES256"}}, {}, "EncryptionNotConfigured"),
        ({"scanning": {"frequency": "MANUAL"}}, {}, "ScanningNotConfigured"),
        ({"scanning": ...}, {"scanning": {"type": "ENHANCED", "rules": REGISTRY["scanning"]["rules"]}}, None),
        (
            {"scanning": ...},
            {"scanning": {"type": "ENHANCED", "rules": [{"frequency": "CONTINUOUS_SCAN", "filters": ["other/*"]}]}},
            "ScanningNotConfigured",
        ),
        ({}, {"scanning": {"type": "BASIC", "rules": []}}, "ScanningNotConfigured"),
        ({"lifecyclePolicy": FEW}, {}, "ImageExpires"),
        ({"lifecyclePolicy": json.dumps(FEW)}, {}, "ImageExpires"),
        ({}, {"pullThrough": [{"prefix": "team", "upstream": "ghcr.io"}]}, "PullThroughCacheWrites"),
        ({"absent": "RepositoryNotFound"}, {}, "RepositoryNotFound"),
        # What AWS may say one day is not understood, and no pass.
        ({"policy": {**ONLY_CI, "Sttement": []}}, {}, "ConfigurationUndecided"),
        ({"policy": "no JSON"}, {}, "ConfigurationUndecided"),
        ({"encryption": {"type": "UNKNOWN"}}, {}, "ConfigurationUndecided"),
        ({}, {"scanning": {"type": None, "rules": []}}, "ConfigurationUndecided"),
    ],
)
def test_what_a_configuration_comes_to(
    tested: CaseWriter, repository: dict[str, Any], registry: dict[str, Any], reason: str | None
) -> None:
    expected = case() if reason is None else case(decision="Denied", reasons=[reason])
    ended = configured(tested, repository, registry, one=expected)
    assert ended.code == PASSED, ended.out


def test_who_may_pull_and_replicate(tested: CaseWriter) -> None:
    allow = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}
    pull = allow | {"Action": "ecr:BatchGetImage"}
    both = {**ONLY_CI, "Statement": [*ONLY_CI["Statement"], pull]}
    refused = case(decision="Denied", reasons=["PullNotRestricted"])
    assert configured(tested, {"policy": both}, one=refused).code == PASSED
    assert configured(tested, {"policy": both}, rules={"pull": {"accounts": ["444455556666"]}}).code == PASSED
    replicate = allow | {"Action": "ecr:ReplicateImage", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [replicate]}
    refused = case(decision="Denied", reasons=["ReplicationNotRestricted"])
    for scope in ("V1", "V2"):
        ended = configured(tested, registry={"policy": policy, "policyScope": scope}, one=refused)
        assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("rules", "repository", "registry", "lacking"),
    [
        ("push", {"policy": ...}, {}, "repositories[0].policy"),
        ("push", {}, {"pullThrough": ...}, "registries[0].pullThrough"),
        ("push", {"policy": ...}, {"policy": ...}, "repositories[0].policy registries[0].policy"),
        ("pull", {}, {"policyScope": ..., "policy": {"Statement": []}}, "registries[0].policyScope"),
        ("pull", {"policy": ...}, {}, "repositories[0].policy"),
        ("pull", {}, {"policy": ...}, "registries[0].policy"),
        ("scanning", {}, {"scanning": ...}, "registries[0].scanning"),
        ("encryption", {"encryption": ...}, {}, "repositories[0].encryption"),
        ("encryption", {"encryption": None}, {}, "repositories[0].encryption"),
        ("lifecycle", {"lifecyclePolicy": ...}, {}, "repositories[0].lifecyclePolicy"),
    ],
)
def test_without_a_part_of_the_configuration_the_case_cannot_be_judged(
    tested: CaseWriter, rules: str, repository: dict[str, Any], registry: dict[str, Any], lacking: str
) -> None:
    ended = configured(tested, repository, registry, rules={rules: CONFIGURATION[rules]})
    assert ended.code == ERROR, ended.out
    assert "could not be judged: repository CouldNotCheck" in ended.out
    assert [line.strip() for line in ended.out.splitlines() if "the case has no" in line] == [
        f"the case has no evidence.{one}" for one in lacking.split()
    ]


@pytest.mark.parametrize("name", ["policy", "lifecyclePolicy", "encryption"])
def test_only_what_the_policy_asks_for_is_lacking(tested: CaseWriter, name: str) -> None:
    ended = configured(tested, {name: ...}, {"replication": ...}, rules={"scanning": "Continuous"})
    assert (ended.code, ended.last) == (PASSED, "1 passed")


def test_without_the_registry_the_case_cannot_be_judged(tested: CaseWriter) -> None:
    ended = tested(spec={"repository": CONFIGURATION}, repository=CONFIGURED)
    assert ended.code == ERROR
    assert f"the case has no evidence.registries[{objects.ECR}].scanning" in ended.out


def test_a_policy_that_needs_nothing_of_the_registry(tested: CaseWriter) -> None:
    spec = {"repository": {"encryption": "KMS"}}
    ended = tested(spec=spec, repository={"encryption": {"type": "KMS"}}, arguments=("-o", "json"))
    assert ended.code == PASSED, ended.out
    assert json.loads(ended.out)[0]["lacking"] == []


def test_a_case_has_a_registry_of_its_own(tested: CaseWriter) -> None:
    own = {"registries": [REGISTRY | {"scanning": {"type": "BASIC", "rules": []}}]}
    one = case(decision="Denied", reasons=["ScanningNotConfigured"]) | {"evidence": own}
    ended = configured(tested, one=one)
    assert ended.code == PASSED, ended.out


def test_the_version_of_a_policy_may_be_a_date_of_yaml(tested: CaseWriter) -> None:
    written = yaml.safe_load(yaml.safe_dump(ONLY_CI).replace("'2012-10-17'", "2012-10-17"))
    assert not isinstance(written["Version"], str)
    ended = configured(tested, {"policy": written})
    assert ended.code == PASSED, ended.out


@pytest.mark.parametrize(
    ("repository", "registry", "problem"),
    [
        ({"lifecycle": {}}, {}, "repositories[0]: there is no field lifecycle; did you mean lifecyclePolicy?"),
        ({"policy": ["x"]}, {}, "evidence.repositories[0].policy: expected"),
        (
            {"policy": "x" * 10_241},
            {},
            "evidence.repositories[0].policy: expected at most 10,240 characters, got 10,241",
        ),
        ({"policy": {"Version": "x" * 10_240}}, {}, "evidence.repositories[0].policy: expected at most 10,240"),
        ({"lifecyclePolicy": "x" * 30_721}, {}, "evidence.repositories[0].lifecyclePolicy: expected at most 30,720"),
        ({"policy": {"Version": float("nan")}}, {}, "evidence.repositories[0].policy: "),
        ({"policy": {"Statement": b"x"}}, {}, "evidence.repositories[0].policy: a bytes is no value of JSON"),
        ({"encryption": {"type": "AES"}}, {}, "repositories[0].encryption.type: invalid enum value 'AES'"),
        ({"encryption": {"typ": "KMS"}}, {}, "repositories[0].encryption: there is no field typ; did you mean type?"),
        ({"scanning": {}}, {}, "repositories[0].scanning: object missing required field `frequency`"),
        ({}, {"policyscope": "V2"}, "registries[0]: there is no field policyscope; did you mean policyScope?"),
        ({}, {"policyScope": "V3"}, "registries[0].policyScope: invalid enum value 'V3'"),
        ({}, {"scanning": {"type": "ENHANCED"}}, "registries[0].scanning: object missing required field `rules`"),
        ({}, {"scanning": {"rules": []}}, "registries[0].scanning: object missing required field `type`"),
        (
            {},
            {"scanning": {"type": "BASIC", "rules": [{"frequency": "MANUAL"}]}},
            "registries[0].scanning.rules[0]: object missing required field `filters`",
        ),
        ({}, {"pullThrough": [{"prefix": "x"}]}, "registries[0].pullThrough[0]: object missing required field"),
        (
            {},
            {"replication": [{"destinations": [{"registryId": "1", "region": "x"}]}]},
            "registries[0].replication[0].destinations[0].registryId: expected `str` matching regex",
        ),
        ({}, {"name": "ghcr.io"}, "evidence.registries[0].name: expected the host of a registry of Amazon ECR"),
        ({}, {"name": REPOSITORY}, "evidence.registries[0].name: expected the host of a registry of Amazon ECR"),
        ({}, {"name": "a b"}, "evidence.registries[0].name: expected"),
    ],
)
def test_an_invalid_configuration_is_named_with_its_field(
    tested: CaseWriter, repository: dict[str, Any], registry: dict[str, Any], problem: str
) -> None:
    ended = configured(tested, repository, registry)
    assert ended.code == ERROR
    assert problem in ended.err


def test_a_registry_that_is_there_twice_is_refused(tested: CaseWriter) -> None:
    ended = tested(evidence={"registries": [REGISTRY, REGISTRY]})
    assert ended.code == ERROR
    assert f"evidence.registries[1].name: {objects.ECR} is there twice; keep one" in ended.err


# Input
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"policy": ["x"]}, "there is no field policy; did you mean policies?"),
        ({"cases": [case() | {"nme": "x"}]}, "cases[0]: there is no field nme; did you mean name?"),
        ({"cases": [case() | {"expect": {"decision": "allowed"}}]}, "cases[0].expect.decision: invalid enum value"),
        ({"cases": [case(reasons=["TagMutabel"])]}, "cases[0].expect.reasons[0]: invalid enum value 'TagMutabel'"),
        ({"cases": []}, "cases: expected `array` of length >= 1"),
        ({"cases": [case(), case()]}, "cases[1].name: the case appears twice"),
        ({"apiVersion": "cli.tidegate.dev/v2"}, "apiVersion: invalid enum value"),
        ({"kind": "Tests"}, "kind: invalid enum value"),
        ({"now": "yesterday"}, "now: expected a time such as"),
        ({"now": "-1d"}, "now: expected a time such as"),
        ({"policies": ["absent.yaml"]}, "absent.yaml cannot be read"),
        ({"platforms": ["linux"]}, "platforms: expected os/architecture"),
        ({"evidence": {"repositories": [{"name": "a b"}]}}, "evidence.repositories[0].name: expected a repository"),
        ({"evidence": {"repositories": [{"name": "a/b"}] * 2}}, "evidence.repositories[1].name: a/b appears twice"),
        ({"cases": [case() | {"object": {"apiVersion": "v1", "kind": "Service"}}]}, "object: expected a kind"),
        (
            {"cases": [case() | {"object": objects.pod("x") | {"spec": {}}}]},
            "object: tidegate cannot judge this request",
        ),
    ],
)
def test_invalid_input_is_named_with_its_field(tested: CaseWriter, change: dict[str, Any], problem: str) -> None:
    ended = tested(**change)
    assert ended.code == ERROR
    assert problem in ended.err


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"tags": [], "digest": None}, "images[0]: expected tags or a digest"),
        ({"pushedAt": "3 days ago"}, "images[0].pushedAt: expected a time such as 2026-11-28T12:00:00Z, or a span"),
        ({"findings": [CRITICAL | {"firstObservedAt": 5}]}, "findings[0].firstObservedAt: expected a time"),
        ({"artifacts": [], "signatures": []}, "images[0]: expected signatures or artifacts, got both"),
        ({"platforms": {"linux": {}}}, "images[0].platforms: expected os/architecture"),
        ({"findings": [{"id": "X", "severity": "BAD"}]}, "findings[0].severity: invalid enum value 'BAD'"),
        ({"digest": "sha256:1"}, "images[0].digest: expected `str` matching regex"),
    ],
)
def test_invalid_evidence_is_named_with_its_field(tested: CaseWriter, part: dict[str, Any], problem: str) -> None:
    ended = tested([image(**part)])
    assert ended.code == ERROR
    assert problem in ended.err


def test_two_images_with_one_tag_are_refused(tested: CaseWriter) -> None:
    ended = tested([image(), image()])
    assert ended.code == ERROR
    assert f"{REPOSITORY}:v1 appears twice; keep one" in ended.err


def test_an_invalid_policy_is_an_error(tested: CaseWriter) -> None:
    ended = tested(spec={"tags": {"imutable": True}})
    assert ended.code == ERROR
    assert "did you mean immutable?" in ended.err


def test_a_folder_has_the_cases_of_all_its_files(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    (tmp_path / "values.yaml").write_text("no: object\n")
    below = tmp_path / "more"
    below.mkdir()
    document = yaml.safe_load((tmp_path / "cases.yaml").read_text()) | {"policies": ["../policies.yaml"]}
    (below / "cases.yml").write_text(yaml.safe_dump(document))
    ended = run("test", tmp_path)
    assert (ended.code, ended.last) == (PASSED, "2 passed")


def test_a_folder_or_file_without_cases_is_an_error(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (empty, tmp_path / "policies.yaml"):
        ended = run("test", path)
        assert ended.code == ERROR
        assert "has no test cases" in ended.err


def test_aliases_that_repeat_each_other_are_bounded(tested: CaseWriter, tmp_path: Path) -> None:
    tested()
    lines = ["object: &a0 {x: y}"]
    lines += [f"l{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file = tmp_path / "cases.yaml"
    file.write_text(file.read_text() + "\n".join(lines) + "\n")
    ended = run("test", file)
    assert ended.code == ERROR
    assert "has more than 1,000,000 values in one document" in ended.err


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["-1d", "*", "ok"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_case_says_the_command_ends_with_a_code_and_no_traceback(data: Any) -> None:
    document: Any = {
        "apiVersion": "cli.tidegate.dev/v1alpha1",
        "kind": "Test",
        "metadata": {"name": "suite"},
        "policies": [],
        "now": "2026-11-28T12:00:00Z",
        "platforms": ["linux/amd64"],
        "evidence": {
            "repositories": [
                {"name": REPOSITORY, "mutability": "IMMUTABLE", "images": [image(findings=[dict(CRITICAL)])]}
                | CONFIGURED
            ],
            "registries": [dict(REGISTRY)],
        },
        "cases": [case() | {"namespace": {"name": "shop", "labels": {}}, "runningSince": "-1d"}],
    }
    document = yaml.safe_load(yaml.safe_dump(document))
    place = document
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.yaml"
        file.write_text(yaml.safe_dump(document))
        assert run("test", file).code in {PASSED, FAILED, ERROR}


# Output
def test_json(tested: CaseWriter) -> None:
    ended = tested([image(findings=[CRITICAL])], arguments=("-o", "json"))
    assert ended.code == FAILED
    (found,) = json.loads(ended.out)
    assert found["state"] == "Failed"
    assert found["decision"] == "Denied"
    assert found["reasons"] == ["VulnerabilitiesFound"]
    assert found["problems"] == ["decision: expected Allowed, got Denied"]
    assert found["lacking"] == []


def test_junit(tested: CaseWriter) -> None:
    ended = tested([image(findings=[CRITICAL])], arguments=("-o", "junit"))
    (suite,) = ET.fromstring(ended.out)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    problem = suite.find("testcase/failure")
    assert problem is not None
    assert problem.get("message") == "decision: expected Allowed, got Denied"
    ended = tested([image(coverage=None), image(tags=["other"])], arguments=("-o", "junit"))
    (suite,) = ET.fromstring(ended.out)
    assert suite.find("testcase/error") is not None


@pytest.mark.parametrize("output", ["text", "json", "junit"])
def test_no_line_is_a_command_of_a_ci_service(tested: CaseWriter, output: str) -> None:
    ended = tested(one=case(decision="Denied") | {"name": "##vso[task.complete]"}, arguments=("-o", output))
    assert ended.code == FAILED
    assert "##vso[" not in ended.out
