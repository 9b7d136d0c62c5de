"""``tidegate lint --against``: running images that a policy would newly refuse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import objects
from tests.unit.builders import DIGEST, HOST, IMAGE, evidence, finding, report
from tests.unit.cli.linting import ACCOUNT, AUTHORITY, CLEAN, FINDINGS, NOTATION, Linter, excepted, found, policy
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.cli.trust_documents import read_trust
from tidegate.evidence.fact import Known
from tidegate.evidence.scan import Answer, Severity
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationResults, VerificationState
from tidegate.images.reference import parse_reference
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.signing.requirements import requirements_of
from tidegate.verdicts.encode import encode
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput


def verdict(scan: Any = None, *, present: Any = None, stores: Any = (), tag: str = "v1") -> Any:
    """An ImageVerdict as the background role writes it, of an image that runs in the namespace shop.

    It has a valid signature of each authority of the policy that is present.
    """
    now, since = datetime.now(UTC), timedelta(days=2)
    compiled = compile_policy(present or policy("present"))
    assert isinstance(compiled, ImagePolicy)
    trust = TrustSnapshot.of(read_trust(stores).stores)
    policies = PolicySnapshot.of([compiled], trust).for_namespace("shop", {})
    attempt = Attempt(manifest_digest=DIGEST, state=VerificationState.VERIFIED, signer="release")
    result = VerificationResult(state=VerificationState.VERIFIED, decisive=attempt, attempts=(attempt,))
    verified = dict.fromkeys(requirements_of(compiled, trust).all, result)
    text = IMAGE.replace(":v1", f":{tag}")
    plan = make_plan(text, policies, ())
    given = evidence(scan)
    given = replace(
        given,
        detail=_at(given.detail, now),
        settings=_at(given.settings, now),
        runnable=_at(given.runnable, now),
        scan_type=_at(given.scan_type, now),
        scans={one: _at(fact, now) for one, fact in given.scans.items()},
        proofs={DIGEST: Known(VerificationResults(by_requirement=verified), now)},
    )
    judged = judge_plan(plan, given, now=now, monotonic=0.0, audit_only=False)
    workload = OwningWorkload(kind="Deployment", name="app")
    reference = parse_reference(text)
    assert reference.ecr is not None
    return encode(
        VerdictInput(
            repository=reference.ecr,
            digest=DIGEST,
            evidence=given,
            judged=[NamespaceVerdict(namespace="shop", workloads=(workload,), verdict=judged)],
            usage=Usage(
                namespaces={"shop": NamespaceUsage(pods=1, since=now - since, workloads=(workload,))}, tags=(tag,)
            ),
            tags={tag: now},
        ),
        now,
    )


def _at(fact: Any, now: datetime) -> Any:
    return Known(fact.value, now)


@pytest.fixture
def against() -> Callable[..., tuple[object, ...]]:
    def write(*verdicts: Any) -> tuple[object, ...]:
        Path("verdicts.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(verdicts)}))
        return "-o", "json", "--against", "verdicts.yaml"

    return write


def test_running_images_that_a_policy_would_newly_refuse(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    arguments = against(verdict(report(*[finding(f"CVE-{n}", severity=Severity.HIGH) for n in range(3)])))
    assert found(linted(policy(), arguments=arguments)) == []
    stricter = policy(vulnerabilities={"maxCounts": {"HIGH": 1}})
    ended = linted(stricter, arguments=arguments)
    assert ended.code == CLEAN
    (one,) = found(ended)
    assert one[0] == "WouldRefuse"
    assert f"{HOST}/team/app@{DIGEST} runs in shop and would be refused: vulnerabilities VulnerabilitiesFound" in one[1]
    assert linted(stricter, arguments=(*arguments, "--strict")).code == FINDINGS
    assert (
        found(
            linted(policy(vulnerabilities={"maxCounts": {"HIGH": 1}}, validationActions=["Warn"]), arguments=arguments)
        )
        == []
    )
    other = policy(vulnerabilities={"maxCounts": {"HIGH": 1}}, match={"namespaces": ["data"]})
    assert found(linted(other, arguments=arguments)) == []


def test_a_running_image_that_is_refused_already_is_no_news(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    arguments = against(verdict(report(finding()), present=policy()))
    assert found(linted(policy(), arguments=arguments)) == []


def test_grace_and_exceptions_count_for_running_images(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    new = finding(severity=Severity.HIGH, first_observed_at=datetime.now(UTC) - timedelta(days=1), exploit=Answer.NO)
    arguments = against(verdict(report(new)))
    limits: dict[str, Any] = {"maxCounts": {"HIGH": 0}}
    assert [one[0] for one in found(linted(policy(vulnerabilities=limits), arguments=arguments))] == ["WouldRefuse"]
    graced = policy(vulnerabilities=limits | {"runningImages": {"for": "7d"}})
    assert found(linted(graced, arguments=arguments)) == []
    by_exception = excepted(images=[{"account": ACCOUNT}])
    assert found(linted(policy(vulnerabilities=limits), by_exception, arguments=arguments)) == []


def test_what_verdicts_do_not_have_is_said(linted: Linter, against: Callable[..., tuple[object, ...]]) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    ended = linted(policy(signatures={"anyOf": [AUTHORITY]}), store, arguments=against(verdict()))
    assert ended.code == CLEAN
    (one,) = found(ended)
    assert one[0] == "CouldRefuse"
    assert "does not have the evidence that the check signatures needs" in one[1]


def test_stored_signatures_count_for_the_authority_that_they_were_verified_for(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    signed = policy(signatures={"anyOf": [AUTHORITY]})
    arguments = against(verdict(present=signed, stores=[store]))
    assert found(linted(signed, store, arguments=arguments)) == []
    other = AUTHORITY | {"notation": NOTATION | {"trustedIdentities": ["x509.subject: C=US, ST=WA, O=Acme"]}}
    ended = linted(policy(signatures={"anyOf": [other]}), store, arguments=arguments)
    assert [one[0] for one in found(ended)] == ["CouldRefuse"]


def test_tags_of_running_images_count(linted: Linter, against: Callable[..., tuple[object, ...]]) -> None:
    document = policy(tags={"forbidden": ["latest"]})
    assert found(linted(document, arguments=against(verdict()))) == []
    assert [one[0] for one in found(linted(document, arguments=against(verdict(tag="latest"))))] == ["WouldRefuse"]
