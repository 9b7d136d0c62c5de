"""``tidegate verify IMAGE --policy FILE``: the signatures of images in their registries, by the objects of the cluster.

The verdict is that of admission, for the signatures and attestations that the policies require and nothing else.
``validationActions`` and ``onUndetermined`` are ignored: they do not change whether a signature is valid.
"""

from collections.abc import Sequence
from dataclasses import replace

from tidegate.admission.verdict import Judgement
from tidegate.app.engine import Engine
from tidegate.checks.result import Check, CheckResult, Outcome
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.documents import read_policies
from tidegate.cli.judging import JudgedImage, engine_of, judge_images
from tidegate.cli.manifests import FoundImage
from tidegate.cli.verify.image_steps import ObservedSignatures, show_signatures
from tidegate.cli.verify.options import VerifyOptions
from tidegate.cli.verify.report import Report
from tidegate.errors import InvalidReferenceError
from tidegate.images.reference import parse_reference
from tidegate.policy.model import ImagePolicy
from tidegate.verify.step import Conclusion

_VERDICTS = {
    Outcome.PASS: Conclusion.VERIFIED,
    Outcome.EXEMPT: Conclusion.LOGGED,
    Outcome.FAIL: Conclusion.FAILED,
    Outcome.UNDETERMINED: Conclusion.INCONCLUSIVE,
}
_WORST = (Outcome.FAIL, Outcome.UNDETERMINED, Outcome.EXEMPT, Outcome.PASS)
_PROVED = frozenset({Check.SIGNATURES, Check.ATTESTATIONS})


def verify_images(options: VerifyOptions) -> list[Report]:
    """Verify each image by each matching policy that requires signatures or attestations."""
    policies = read_policies(options.policy)
    requiring = [
        _only_signatures(one) for one in policies.policies if isinstance(one, ImagePolicy) and _requirements(one)
    ]
    if not requiring:
        raise ArgumentError(f"no policy in {', '.join(map(str, options.policy))} requires signatures or attestations")
    for text in options.subjects:
        _check_reference(text)
    engine = engine_of(options.config)
    images = [FoundImage(place="argument", namespace=options.namespace, text=text) for text in options.subjects]
    read = replace(policies, policies=tuple(requiring), exceptions=())
    observed = ObservedSignatures()
    judged = judge_images(engine, read, images, timeout_seconds=options.timeout, planned=observed.watch)
    return [report for one in judged for report in _reports(engine, observed, one)]


def _requirements(policy: ImagePolicy) -> bool:
    return policy.signatures is not None or policy.attestations is not None


def _only_signatures(policy: ImagePolicy) -> ImagePolicy:
    """Return the policy with its signatures, attestations and registries only."""
    return replace(policy, tags=None, scan=None, vulnerabilities=None, repository=None)


def _check_reference(text: str) -> None:
    try:
        parse_reference(text)
    except InvalidReferenceError as problem:
        raise ArgumentError(f"{text!r} is not an image reference: {problem}") from problem


def _reports(engine: Engine, observed: ObservedSignatures, judged: JudgedImage) -> list[Report]:
    verdict = judged.verdict
    if not verdict.judgements:
        reason = "no policy that matches this image requires a signature, so nothing was verified"
        now = engine.clock.now()
        return [Report(subject=verdict.text, at=now, verdict=Conclusion.INCONCLUSIVE, reason=reason)]
    return [_report(engine, observed, judged, judgement) for judgement in verdict.judgements]


def _report(engine: Engine, observed: ObservedSignatures, judged: JudgedImage, judgement: Judgement) -> Report:
    assert isinstance(judgement.policy, ImagePolicy)
    shown = show_signatures(engine, observed, judged, judgement.policy)
    verdict, reason, remedy = conclude(judgement)
    return Report(
        subject=judged.verdict.text,
        digest=judged.verdict.digest,
        at=engine.clock.now(),
        verdict=verdict,
        reason=reason,
        remedy=remedy,
        requirements=f"policy {judgement.policy.name}",
        policy=judgement.policy.name,
        signatures=shown.signatures,
        left_aside=shown.left_aside,
    )


def conclude(judgement: Judgement) -> tuple[Conclusion, str, str]:
    """Return the conclusion of a policy's results, the reason, and the fix: the worst result decides."""
    if not judgement.allowed and all(result.lets_through for result in judgement.results):
        return Conclusion.INCONCLUSIVE, "not every requirement of the policy was checked", ""
    worst = _worst(judgement.results)
    if worst.outcome is Outcome.PASS:
        return Conclusion.VERIFIED, "; ".join(one.found for one in judgement.results if one.check in _PROVED), ""
    reason = f"{worst.reason.value}: {worst.found_and_cause}" if worst.found else worst.reason.value
    return _VERDICTS[worst.outcome], reason, worst.remedy


def _worst(results: Sequence[CheckResult]) -> CheckResult:
    """Return the worst result, the first of equals: the first requirement is the first to correct."""
    return min(results, key=lambda result: _WORST.index(result.outcome))
