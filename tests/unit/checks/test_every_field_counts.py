"""Every field of an ImagePolicy counts: for each there is an image that is decided otherwise when the field is ignored.

The fields are those of the policy's dataclasses, found by walking them, so that a new field without a case fails here.
Policies are written as users write them: a field that the parser drops counts as ignored too.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from tests.objects import image_policy
from tests.unit.builders import (
    ACCOUNT,
    DAY,
    DIGEST,
    HOST,
    IMAGE,
    MOMENT,
    NOW,
    child,
    detail,
    evidence,
    exception,
    finding,
    known,
    missing,
    report,
    repository_configuration,
    settings,
)
from tests.unit.policy.signature_examples import KEYLESS
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.evidence.fact import Cause
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.registry_configuration import Encryption, EncryptionType, RepositoryScanning, ScanFrequency
from tidegate.evidence.repository import TagMutability
from tidegate.evidence.scan import Answer, ScanState, Severity
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import compile_policy
from tidegate.policy.signatures import AttestationRules, SignatureRules
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

Spec = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two specs that differ in one field, and what is judged under each."""

    without: Spec
    having: Spec
    image: str = IMAGE
    namespace: str = "shop"
    labels: Mapping[str, str] = field(default_factory=dict)
    collected: ImageEvidence = field(default_factory=evidence)
    exceptions: tuple[ImagePolicyException, ...] = ()
    running_since: datetime | None = None


def under(base: Spec, section: str, **fields: Any) -> Spec:
    return {**base, section: {**base.get(section, {}), **fields}}


PINNED_ONLY: Spec = {"tags": {"digestRequired": True}}
"""What no image named by tag meets."""
SCAN: Spec = {"scan": {}}
CRITICAL: Spec = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
GRACE: Spec = under(CRITICAL, "vulnerabilities", runningImages={"for": "31d"})
ELSEWHERE: Spec = {"account": "999999999999"}
OURS: Spec = {"account": ACCOUNT}
VULNERABLE = evidence(report(finding()))
LOST = evidence(missing(Cause.THROTTLED))
IGNORED: Spec = {"id": "CVE-2026-0001", "until": "2026-12-31", "reason": "not reachable (ann)"}
EXPLOITED = evidence(report(finding(severity=Severity.LOW, exploit=Answer.YES, epss=0.9)))
ARM_ONLY = evidence(
    runnable=(child("amd", "linux/amd64"), child("arm", "linux/arm64/v8"), child("win", "windows/amd64")),
    scans={child("amd").digest: report(), child("arm").digest: report(finding()), child("win").digest: report()},
)


def scoped(without: Spec, having: Spec, **judged: Any) -> Case:
    """A case of a registry scope, which stands in ``registries``."""
    return Case(without={"registries": [without]}, having={"registries": [having]}, **judged)


def selecting(**requirement: Any) -> Spec:
    return {**PINNED_ONLY, "match": {"namespaceSelector": {"matchExpressions": [requirement]}}}


def ignoring(**changes: Any) -> Spec:
    return under(CRITICAL, "vulnerabilities", ignore=[{**IGNORED, **changes}])


def on(platform: str) -> Spec:
    return {**CRITICAL, "platforms": [platform]}


CASES: dict[str, Case] = {
    "ImagePolicy.actions": Case(without=PINNED_ONLY, having={**PINNED_ONLY, "validationActions": ["Warn"]}),
    "ImagePolicy.match": Case(without=PINNED_ONLY, having={**PINNED_ONLY, "match": {"namespaces": ["other"]}}),
    "ImagePolicy.registries": Case(without=SCAN, having={**SCAN, "registries": [ELSEWHERE]}),
    "ImagePolicy.tags": Case(without=SCAN, having={**SCAN, **PINNED_ONLY}),
    "ImagePolicy.scan": Case(without={"registries": [OURS]}, having={"registries": [OURS], **SCAN}, collected=LOST),
    "ImagePolicy.vulnerabilities": Case(without=SCAN, having={**SCAN, **CRITICAL}, collected=VULNERABLE),
    "ImagePolicy.platforms": Case(without=CRITICAL, having=on("linux/amd64"), collected=ARM_ONLY),
    "ImagePolicy.on_undetermined": Case(without=SCAN, having={**SCAN, "onUndetermined": "Allow"}, collected=LOST),
    "ImagePolicy.max_stale": Case(
        without=SCAN,
        having={**SCAN, "maxStale": "2d"},
        collected=evidence(known(report(last_scanned_at=NOW - 2 * DAY), old=DAY, stale=Cause.UNREACHABLE)),
    ),
    "Match.namespace_selector": Case(
        without=PINNED_ONLY, having=selecting(key="team", operator="Exists"), labels={"stage": "test"}
    ),
    "Match.namespaces": Case(without=PINNED_ONLY, having={**PINNED_ONLY, "match": {"namespaces": ["other"]}}),
    "Match.excluded_namespaces": Case(
        without=PINNED_ONLY, having={**PINNED_ONLY, "match": {"excludedNamespaces": ["shop"]}}
    ),
    "Match.images": Case(without=PINNED_ONLY, having={**PINNED_ONLY, "match": {"images": [ELSEWHERE]}}),
    "SelectorRequirement.key": Case(
        without=selecting(key="team", operator="Exists"),
        having=selecting(key="stage", operator="Exists"),
        labels={"team": "shop"},
    ),
    "SelectorRequirement.operator": Case(
        without=selecting(key="team", operator="Exists"),
        having=selecting(key="team", operator="DoesNotExist"),
        labels={"team": "shop"},
    ),
    "SelectorRequirement.values": Case(
        without=selecting(key="team", operator="In", values=["shop"]),
        having=selecting(key="team", operator="In", values=["bank"]),
        labels={"team": "shop"},
    ),
    "EcrScope.partition": scoped({**OURS, "partition": "aws"}, {**OURS, "partition": "aws-cn"}),
    "EcrScope.account": scoped(OURS, ELSEWHERE),
    "EcrScope.region": scoped(OURS, {**OURS, "region": "us-east-1"}),
    "EcrScope.repositories": scoped(OURS, {**OURS, "repositories": ["other/*"]}),
    "HostScope.host": scoped({"host": "ghcr.io"}, {"host": "quay.io"}, image="ghcr.io/team/app:v1"),
    "HostScope.repositories": scoped(
        {"host": "ghcr.io"}, {"host": "ghcr.io", "repositories": ["other/*"]}, image="ghcr.io/team/app:v1"
    ),
    "Glob.text": Case(without={"tags": {"forbidden": ["latest"]}}, having={"tags": {"forbidden": ["v*"]}}),
    "TagRules.immutable": Case(
        without={"tags": {"forbidden": ["latest"]}},
        having={"tags": {"forbidden": ["latest"], "immutable": True}},
        collected=evidence(settings=settings(TagMutability.MUTABLE)),
    ),
    "TagRules.digest_required": Case(
        without={"tags": {"immutable": True}}, having={"tags": {"immutable": True, "digestRequired": True}}
    ),
    "TagRules.forbidden": Case(
        without={"tags": {"immutable": True}}, having={"tags": {"immutable": True, "forbidden": ["v1"]}}
    ),
    "ScanRules.when_pending": Case(
        without=SCAN, having={"scan": {"whenPending": "Allow"}}, collected=evidence(report(state=ScanState.PENDING))
    ),
    "ScanRules.when_expired": Case(
        without=SCAN, having={"scan": {"whenExpired": "Allow"}}, collected=evidence(report(state=ScanState.EXPIRED))
    ),
    "ScanRules.when_unsupported": Case(
        without=SCAN,
        having={"scan": {"whenUnsupported": "Allow"}},
        collected=evidence(report(state=ScanState.UNSUPPORTED)),
    ),
    "ScanRules.max_age": Case(without=SCAN, having={"scan": {"maxAge": "1h"}}),
    "ScanRules.settling_period": Case(
        without=SCAN,
        having={"scan": {"settlingPeriod": "0s"}},
        collected=evidence(report(last_scanned_at=NOW), detail=detail(pushed_at=NOW)),
    ),
    "VulnerabilityRules.max_counts": Case(
        without=CRITICAL, having=under(CRITICAL, "vulnerabilities", maxCounts={"CRITICAL": 1}), collected=VULNERABLE
    ),
    "VulnerabilityRules.only_fixable": Case(
        without=CRITICAL,
        having=under(CRITICAL, "vulnerabilities", onlyFixable=True),
        collected=evidence(report(finding(fix=Answer.NO))),
    ),
    "VulnerabilityRules.exploit_available": Case(
        without=CRITICAL, having=under(CRITICAL, "vulnerabilities", exploitAvailable="Deny"), collected=EXPLOITED
    ),
    "VulnerabilityRules.epss_threshold": Case(
        without=CRITICAL, having=under(CRITICAL, "vulnerabilities", epssThreshold=0.9), collected=EXPLOITED
    ),
    "VulnerabilityRules.when_epss_unknown": Case(
        without={"vulnerabilities": {"epssThreshold": 0.9}},
        having={"vulnerabilities": {"epssThreshold": 0.9, "whenEpssUnknown": "Allow"}},
        collected=evidence(report(finding(severity=Severity.LOW, epss=None))),
    ),
    "VulnerabilityRules.grace_period": Case(
        without=CRITICAL, having=under(CRITICAL, "vulnerabilities", gracePeriod="60d"), collected=VULNERABLE
    ),
    "VulnerabilityRules.running_images": Case(
        without=CRITICAL, having=GRACE, collected=VULNERABLE, running_since=NOW - 31 * DAY
    ),
    "RunningImageRules.duration": Case(
        without=under(CRITICAL, "vulnerabilities", runningImages={"for": "30d"}),
        having=GRACE,
        collected=VULNERABLE,
        running_since=NOW - 31 * DAY,
    ),
    "RunningImageRules.except_exploitable": Case(
        without=GRACE,
        having=under(CRITICAL, "vulnerabilities", runningImages={"for": "31d", "exceptExploitable": False}),
        collected=evidence(report(finding(exploit=Answer.YES))),
        running_since=NOW - 31 * DAY,
    ),
    "VulnerabilityRules.suppressed": Case(
        without=CRITICAL,
        having=under(CRITICAL, "vulnerabilities", suppressed="Deny"),
        collected=evidence(report(finding(suppressed=True))),
    ),
    "VulnerabilityRules.ignore": Case(without=CRITICAL, having=ignoring(), collected=VULNERABLE),
    "IgnoredVulnerability.id": Case(without=ignoring(), having=ignoring(id="CVE-2026-9999"), collected=VULNERABLE),
    "IgnoredVulnerability.until": Case(without=ignoring(), having=ignoring(until="2026-06-01"), collected=VULNERABLE),
    # The reason is for people; what it does is to be demanded, so that a policy without one is broken.
    "IgnoredVulnerability.reason": Case(without=ignoring(), having=ignoring(reason=" "), collected=VULNERABLE),
    "Platform.os": Case(without=on("windows/amd64"), having=on("plan9/amd64"), collected=ARM_ONLY),
    "Platform.architecture": Case(without=on("linux/amd64"), having=on("linux/arm64"), collected=ARM_ONLY),
}
SIGNED: Spec = {"anyOf": [{"name": "a", "notation": {"trustStores": ["a"], "trustedIdentities": ["*"]}}]}
ATTESTED = [{"name": "a", "predicateType": "t", "anyOf": [{"name": "a", "sigstore": KEYLESS}]}]
CASES["ImagePolicy.signatures"] = Case(
    without={"registries": [OURS]}, having={"registries": [OURS], "signatures": SIGNED}
)
CASES["ImagePolicy.attestations"] = Case(
    without={"registries": [OURS]}, having={"registries": [OURS], "attestations": ATTESTED}
)
ENCRYPTED: Spec = {"repository": {"encryption": "KMS"}}
CI = f"arn:aws:iam::{ACCOUNT}:role/ci-push"
ORGANIZATION = "o-a1b2c3d4e5"


def configured(statement: Spec | None = None, **changed: Any) -> ImageEvidence:
    """An image of a repository whose policy is this one statement."""
    text = None if statement is None else json.dumps({"Version": "2012-10-17", "Statement": statement})
    return evidence(repository=repository_configuration(text, **changed))


def deny_all_but(key: str, value: str) -> ImageEvidence:
    left_out = {"StringNotEquals": {key: value}}
    return configured({"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage", "Condition": left_out})


def allow_pulls(principal: Spec | str, **more: Any) -> ImageEvidence:
    return configured({"Effect": "Allow", "Principal": principal, "Action": "ecr:BatchGetImage", **more})


def of_repository(without: Spec, having: Spec, collected: ImageEvidence) -> Case:
    """A case of what is required of the repository."""
    return Case(without={"repository": without}, having={"repository": having}, collected=collected)


NOBODY: Spec = {"accounts": ["999999999999"]}
IN_ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}}}
CASES |= {
    "ImagePolicy.repository": Case(
        without=SCAN,
        having={**SCAN, **ENCRYPTED},
        collected=configured(encryption=Encryption(type=EncryptionType.AES256)),
    ),
    "RepositoryRules.push": of_repository({"encryption": "KMS"}, {"encryption": "KMS", "push": NOBODY}, configured()),
    "RepositoryRules.pull": of_repository({"encryption": "KMS"}, {"encryption": "KMS", "pull": {}}, allow_pulls("*")),
    "RepositoryRules.scanning": of_repository(
        {"scanning": "OnPush"},
        {"scanning": "Continuous"},
        configured(scanning=RepositoryScanning(frequency=ScanFrequency.SCAN_ON_PUSH)),
    ),
    "RepositoryRules.encryption": of_repository(
        {"scanning": "OnPush"},
        {"scanning": "OnPush", "encryption": "KMS"},
        configured(encryption=Encryption(type=EncryptionType.AES256)),
    ),
    "RepositoryRules.lifecycle": of_repository(
        {"lifecycle": "KeepsRunningImages"}, {"lifecycle": "Required"}, configured()
    ),
    "PushRules.restricted_to": of_repository(
        {"push": NOBODY}, {"push": {**NOBODY, "restrictedTo": [CI]}}, deny_all_but("aws:PrincipalArn", CI)
    ),
    "PushRules.accounts": of_repository({"push": NOBODY}, {"push": {"accounts": [ACCOUNT]}}, configured()),
    "PushRules.organizations": of_repository(
        {"push": NOBODY},
        {"push": {**NOBODY, "organizations": [ORGANIZATION]}},
        deny_all_but("aws:PrincipalOrgID", ORGANIZATION),
    ),
    "PullRules.accounts": of_repository({"pull": {}}, {"pull": NOBODY}, allow_pulls({"AWS": "999999999999"})),
    "PullRules.organizations": of_repository(
        {"pull": {}}, {"pull": {"organizations": [ORGANIZATION]}}, allow_pulls("*", **IN_ORGANIZATION)
    ),
    "PullRules.services": of_repository(
        {"pull": {}},
        {"pull": {"services": ["lambda.amazonaws.com"]}},
        allow_pulls({"Service": "lambda.amazonaws.com"}),
    ),
}
BY_CHECK = exception(namespace="shop", policies=("rules",), created_at=NOW)
BY_ID = exception(namespace="shop", policies=("rules",), created_at=NOW, vulnerabilities=("CVE-2026-0001",))


def permitting(excepted: ImagePolicyException, **permitted: Any) -> Case:
    """A case of what is permitted to namespaces, where one has this exception."""
    having = {**CRITICAL, "namespacedExceptions": {"checks": ["tags"], **permitted}}
    return Case(without=CRITICAL, having=having, collected=VULNERABLE, exceptions=(excepted,))


CASES["ImagePolicy.namespaced_exceptions"] = permitting(BY_CHECK, checks=["vulnerabilities"])
CASES["NamespacedExceptions.checks"] = permitting(BY_CHECK, checks=["vulnerabilities"])
CASES["NamespacedExceptions.vulnerabilities"] = permitting(BY_ID, vulnerabilities=True)
CASES["NamespacedExceptions.max_duration"] = replace(
    permitting(BY_CHECK, checks=["vulnerabilities"]),
    without={**CRITICAL, "namespacedExceptions": {"checks": ["vulnerabilities"], "maxDuration": "23h"}},
)
for each in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED"):
    other = "HIGH" if each == "CRITICAL" else "CRITICAL"
    CASES[f"max_counts[{each}]"] = Case(
        without={"vulnerabilities": {"maxCounts": {other: 0}}},
        having={"vulnerabilities": {"maxCounts": {other: 0, each: 0}}},
        collected=evidence(report(finding(severity=Severity(each)))),
    )

IDENTITY = {"ImagePolicy.name", "ImagePolicy.uid", "ImagePolicy.generation"}
"""Fields that say which policy it is; what they do is tested below."""
NOT_COMPARED = {"Platform.variant", "RunningImageRules.action"}
"""Fields that leave nothing out: containerd does not know the variant of a processor, except on 32-bit ARM. The action of a
grace only decides on a warning."""


def fields_of(model: type) -> Iterator[str]:
    """Give ``Class.field`` for every field of a dataclass and of every dataclass below it."""
    for name, annotation in typing.get_type_hints(model).items():
        yield f"{model.__name__}.{name}"
        for inner in dataclasses_in(annotation):
            yield from fields_of(inner)


def dataclasses_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation):
        for argument in typing.get_args(annotation):
            yield from dataclasses_in(argument)
    # What is demanded of signatures and attestations is undetermined as a whole until they are checked.
    elif annotation in (SignatureRules, AttestationRules):
        return
    elif dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        yield annotation


def test_every_field_of_the_model_has_a_case():
    severities = {f"max_counts[{severity.value}]" for severity in Severity if severity is not Severity.UNKNOWN}
    assert set(fields_of(ImagePolicy)) | severities == set(CASES) | IDENTITY | NOT_COMPARED


def compiled(spec: Spec, *, name: str = "rules", **identity: Any) -> Any:
    return compile_policy(image_policy(name, spec, **{"uid": "u-1", "generation": 1} | identity))


def verdict(policy: Any, case: Case) -> Any:
    policies = PolicySnapshot.of([policy], NO_TRUST, case.exceptions).for_namespace(case.namespace, case.labels)
    plan = make_plan(case.image, policies, ())
    at = partial(judge_plan, now=NOW, monotonic=MOMENT, audit_only=False)
    return at(plan, case.collected, running_since=case.running_since)


@pytest.mark.parametrize("name", CASES)
def test_an_image_is_decided_otherwise_when_the_field_is_ignored(name):
    case = CASES[name]
    without, having = compiled(case.without), compiled(case.having)
    assert isinstance(without, ImagePolicy)
    assert isinstance(having, ImagePolicy) is (name != "IgnoredVulnerability.reason")
    assert {verdict(without, case).denied, verdict(having, case).denied} == {True, False}


def test_the_name_of_the_policy_is_in_its_refusals_and_the_generation_in_the_audit_log():
    case = Case(without={}, having=PINNED_ONLY)
    refused = verdict(compiled(case.having, name="strict", generation=7), case)
    assert "[policy strict]" in refused.denial[0]
    assert refused.policy_labels == ("strict/7",)


@pytest.mark.parametrize("change", [{"name": "other"}, {"uid": "u-2"}, {"generation": 2}], ids=str)
def test_each_part_of_the_identity_makes_another_revision(change):
    before, after = compiled(PINNED_ONLY), compiled(PINNED_ONLY, **change)
    assert PolicySnapshot.of([before]).revision != PolicySnapshot.of([after]).revision


def test_the_images_that_are_judged_here_pass_where_nothing_is_wrong():
    everything = {**SCAN, **CRITICAL, "tags": {"immutable": True}, "registries": [OURS]}
    for image in (IMAGE, f"{HOST}/team/app@{DIGEST}"):
        assert not verdict(compiled(everything), Case(without={}, having={}, image=image)).denied
