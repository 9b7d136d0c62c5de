"""Every call to AWS with every answer that cannot be right, one member at a time: a table.

Whatever AWS answers, the image is not let in for it; it is not remembered, so that the next request asks again and is
answered rightly; and while there is good evidence, that stays in use for as long as the policy says.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from tests.integration.gather.gate import (
    IMMUTABLE,
    NO_CRITICAL,
    OTHER,
    OWN,
    READER,
    REGION,
    Gate,
    image,
    make_impatient,
)
from tests.integration.gather.test_signatures import AWS_SIGNER, signed_by
from tests.integration.gather.trust import trust_of
from tests.simulator import World
from tests.simulator.faults import FaultKind
from tidegate.gather.bounded_cache import BoundedCache
from tidegate.settings import RegistryAccountSettings
from tidegate.telemetry.observer import REPEAT_SECONDS

HOUR = 3_600.0
SCANNED = NO_CRITICAL | IMMUTABLE
OTHER_DIGEST = f"sha256:{'5' * 64}"
OTHER_ARN = f"arn:aws:ecr:{REGION}:111122223333:repository/team/other/{OTHER_DIGEST}"
PAGE = "<html><body>sign in</body></html>"
UNDETERMINED = ("CouldNotCheck", "SignatureUndecided", "StatusUnknown")
WRONG: tuple[Any, ...] = (None, 7, {}, [], "")
"""What no text may be; null and what is missing are one to the SDK."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: how a world has it made, and what of its answer has to be right."""

    service: str
    operation: str
    texts: dict[str, str] = field(default_factory=dict)
    """Members that are texts and must be there, and another value of each that would be about something else."""
    lists: tuple[str, ...] = ()
    """Members that are lists, must be there, and may not be empty in this world."""
    may_be_empty: tuple[str, ...] = ()
    """Members that are lists and must be there; empty, they say that there is nothing."""
    pages: bool = False
    body: bool = True
    spec: dict[str, Any] = field(default_factory=lambda: dict(SCANNED))
    scan: str = "ENHANCED"
    kept: bool = True
    """Whether it is asked for again within the hour: what a digest fixes is not, nor are credentials."""

    def __str__(self) -> str:
        return self.operation

    @property
    def account(self) -> str:
        return OTHER if self.service == "sts" else OWN

    @property
    def image(self) -> str:
        return image(account=self.account)


CALLS = [
    Call(
        service="ecr",
        operation="DescribeImages",
        texts={
            "registryId": OTHER,
            "repositoryName": "team/other",
            "imageDigest": "sha256:x",
            "imageManifestMediaType": "",
            "imageStatus": "UNKNOWN",
        },
        lists=("imageDetails", "imageTags"),
    ),
    Call(
        service="ecr",
        operation="DescribeRepositories",
        texts={
            "registryId": OTHER,
            "repositoryName": "team/other",
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        },
        lists=("repositories",),
    ),
    Call(
        service="ecr",
        operation="GetRegistryScanningConfiguration",
        texts={"registryId": OTHER, "scanType": "UNKNOWN"},
    ),
    Call(
        service="inspector2",
        operation="ListCoverage",
        texts={
            "resourceId": OTHER_ARN,
            "accountId": OTHER,
            "scanType": "CODE",
            "statusCode": "UNKNOWN",
            "reason": "SCAN_ELIGIBILITY_EXPIRED",
        },
        may_be_empty=("coveredResources",),
        pages=True,
    ),
    Call(
        service="inspector2",
        operation="ListFindings",
        texts={
            "imageHash": OTHER_DIGEST,
            "registry": OTHER,
            "repositoryName": "team/other",
            "status": "UNKNOWN",
            "vulnerabilityId": "",
            "severity": "UNKNOWN",
        },
        lists=("resources",),
        may_be_empty=("findings",),
        pages=True,
    ),
    Call(
        service="ecr",
        operation="DescribeImageScanFindings",
        texts={
            "registryId": OTHER,
            "repositoryName": "team/other",
            "imageDigest": OTHER_DIGEST,
            "status": "UNKNOWN",
            "severity": "UNKNOWN",
        },
        may_be_empty=("findings",),
        pages=True,
        scan="BASIC",
    ),
    Call(
        service="ecr",
        operation="BatchGetImage",
        texts={
            "registryId": OTHER,
            "repositoryName": "team/other",
            "imageDigest": OTHER_DIGEST,
            "imageManifest": "{}",
        },
        lists=("images",),
        spec=signed_by(AWS_SIGNER),
        kept=False,
    ),
    Call(
        service="ecr",
        operation="ListImageReferrers",
        texts={"digest": "sha256:x", "mediaType": "", "artifactStatus": "UNKNOWN"},
        may_be_empty=("referrers",),
        spec=signed_by(AWS_SIGNER),
    ),
    Call(
        service="ecr",
        operation="GetDownloadUrlForLayer",
        texts={"layerDigest": OTHER_DIGEST, "downloadUrl": "http://169.254.169.254/"},
        spec=signed_by(AWS_SIGNER),
    ),
    Call(service="s3", operation="GetObject", spec=signed_by(AWS_SIGNER)),
    Call(
        service="signer",
        operation="GetRevocationStatus",
        may_be_empty=("revokedEntities",),
        spec=signed_by(AWS_SIGNER),
    ),
    Call(
        service="sts",
        operation="AssumeRole",
        texts={"AccessKeyId": "", "SecretAccessKey": "", "SessionToken": "", "Arn": "arn:aws:iam::999999999999:x"},
        body=False,
        kept=False,
    ),
]


def every(call: Call) -> Iterator[tuple[str, FaultKind, dict[str, Any]]]:
    """Give every answer that is not as promised, with a name."""
    for name, other in call.texts.items():
        yield f"{name} missing", FaultKind.MISSING, {"field": name}
        yield f"{name} about something else", FaultKind.MEMBER, {"field": name, "value": other}
        yield f"{name} in a new word", FaultKind.MEMBER, {"field": name, "value": "SIMULATED_UNKNOWN"}
        for value in WRONG if call.body else ():
            yield f"{name} {json.dumps(value)}", FaultKind.MEMBER, {"field": name, "value": value}
    for name in (*call.lists, *call.may_be_empty):
        yield f"{name} missing", FaultKind.MISSING, {"field": name}
        for value in (None, 7, {}, "", "x", [None], [7], [{}]):
            yield f"{name} {json.dumps(value)}", FaultKind.MEMBER, {"field": name, "value": value}
    for name in call.lists:
        yield f"{name} empty", FaultKind.MEMBER, {"field": name, "value": []}
    if call.pages:
        yield "the same page for ever", FaultKind.SAME_PAGE, {}
        yield "pages without end", FaultKind.ENDLESS, {}
        for value in (7, {}, [], True):
            yield f"the token {json.dumps(value)}", FaultKind.SAME_PAGE, {"value": value}
    for value in (PAGE, "", *(("{}", "null", "[]", '"x"') if call.body else ())):
        yield f"the body {value!r}", FaultKind.BODY, {"value": value}
    yield "half", FaultKind.HALF, {}
    yield "half, cut", FaultKind.DROP, {}


NO_MATTER = {
    # Regions without archiving do not say it: there every image is active.
    *(("DescribeImages", f"imageStatus {value}") for value in ("missing", "null", '""')),
    *(("ListImageReferrers", f"artifactStatus {value}") for value in ("missing", "null", '""')),
    # Who may push may choose these: what is none of an image's is an artifact, and refused as such.
    ("DescribeImages", "imageManifestMediaType in a new word"),
    ("ListImageReferrers", "mediaType in a new word"),
    # A vulnerability may have any name.
    ("ListFindings", "vulnerabilityId in a new word"),
    # The simulator verifies no signature of a request.
    ("AssumeRole", "SecretAccessKey in a new word"),
}
"""Answers that are right all the same, or that others than AWS answer for."""
BAD_NEWS = {("ListFindings", "severity"), ("DescribeImageScanFindings", "severity")}
"""What counts at once, over good evidence: a finding of a severity that is not known is a finding."""


def strange(call: Call) -> Iterator[tuple[str, FaultKind, dict[str, Any]]]:
    """Give every answer that cannot be right, with a name."""
    return (each for each in every(call) if (call.operation, each[0]) not in NO_MATTER)


@pytest.fixture
def prepare(world: World, start: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch) -> Callable[[Call], Gate]:
    """Make a world in which a call is needed for a good image, and start a controller that asks once."""
    make_impatient(monkeypatch, read_timeout_seconds=10.0)

    def make(call: Call) -> Gate:
        account, more = call.account, dict[str, Any]()
        if call.service == "sts":
            more["accounts"] = (RegistryAccountSettings(account=OTHER, role_arn=READER),)
        world.set_scanning(call.scan, account=account)
        world.add_repository("team/app", mutability="IMMUTABLE", account=account)
        world.add_image("team/app", "v1", account=account)
        world.add_finding("team/app", "v1", severity="LOW", first_observed_at="-1d", account=account)
        if call.scan == "BASIC":
            world.set_basic_scan("team/app", "v1", "COMPLETE", at="-1h")
        if "signatures" in call.spec:
            world.authorities.authority("acme")
            world.signing.sign_with_aws_signer("team/app", "v1")
            more["trust"] = trust_of(world)
        return start(call.spec, **more)

    return make


def forget_all(cache: BoundedCache[Any, Any]) -> None:
    while len(cache):
        cache.drop_oldest()


def forget(gate: Gate) -> None:
    """Make a controller one that was just started."""
    facts: Any = gate.engine.facts
    for cache in (facts.details, facts.settings, facts.scan_types, facts.scans, facts.revocations.answers):
        forget_all(cache._entries)
    for cache in (facts.manifests.runnable, facts.manifests.descriptors, facts.signatures.artifacts):
        forget_all(cache._entries)
    forget_all(facts.verifications._cached)
    gate.reviewer.forget()
    gate.engine.observer._repeats._last.clear()
    for _, role in gate.engine.identity._clients._roles.values():
        role._rejected = True
    let_time_pass(gate)


def let_time_pass(gate: Gate) -> None:
    """Let as much of it pass as a look-up, or a role, is not asked for again after it failed."""
    gate.clock.advance(REPEAT_SECONDS)
    for _, role in gate.engine.identity._clients._roles.values():
        role._refusal = None


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_an_answer_that_cannot_be_right_lets_nothing_in_and_is_not_remembered(prepare, sim, call):
    """A request without evidence is refused since it could not be checked, and the next one asks again and is right."""
    gate, wrong = prepare(call), list[str]()
    for name, kind, order in strange(call):
        forget(gate)
        fault = sim.inject(kind, service=call.service, operation=call.operation, **order)
        with structlog.testing.capture_logs() as lines:
            answer = await gate.review(call.image)
        sim.clear()
        if not fault.hits:
            wrong.append(f"{name}: nobody asked")
        elif answer.allowed:
            wrong.append(f"{name}: allowed")
        elif not any(reason in answer.message for reason in UNDETERMINED):
            wrong.append(f"{name}: {answer.message}")
        elif "StatusUnknown" not in answer.message and not any("cause" in each and "detail" in each for each in lines):
            wrong.append(f"{name}: the log does not tell why")
        let_time_pass(gate)
        if not (after := await gate.review(call.image)).allowed:
            wrong.append(f"{name}, when it is over: {after.message}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("call", [each for each in CALLS if each.kept], ids=str)
async def test_it_never_takes_the_place_of_good_evidence(prepare, sim, call):
    """That stays in use until it is older than the policy allows, and then nothing is let in either."""
    gate, wrong = prepare(call), list[str]()
    for name, kind, order in strange(call):
        if (call.operation, name.partition(" ")[0]) in BAD_NEWS:
            continue
        forget(gate)
        assert (await gate.review(call.image)).allowed
        fault = sim.inject(kind, service=call.service, operation=call.operation, **order)
        for seconds, allowed in ((HOUR - 120.0, True), (30.0, True), (100.0, False)):
            gate.clock.advance(seconds)
            answer = await gate.review(call.image)
            if answer.allowed is not allowed:
                wrong.append(f"{name}: {'allowed' if answer.allowed else answer.message}")
        if not fault.hits:
            wrong.append(f"{name}: nobody asked")
        sim.clear()
    assert not wrong, "\n".join(wrong)
