"""``tidegate record``: the evidence of real images, as test cases that ``tidegate test`` runs without a network."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import yaml

from tidegate.checks.result import Check, Outcome, Reason
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.model import (
    API_VERSION,
    KIND,
    CaseFile,
    CasePart,
    EvidencePart,
    Expected,
    ExpectPart,
    KeyPart,
    MetadataPart,
    NamespacePart,
    TrustedRootPart,
)
from tidegate.cli.cases.moments import moment_text
from tidegate.cli.check.outcome import CheckedImage, ImageState
from tidegate.cli.documents import ReadPolicies, read_policies
from tidegate.cli.judging import JudgedImage, engine_of, judge_images
from tidegate.cli.manifests import FoundImage
from tidegate.cli.options import config_option, namespace_option, policy_option, timeout_option
from tidegate.cli.record.recorder import Recorded, Recorder
from tidegate.cli.record.write import evidence_of
from tidegate.evidence.fact import Cause, Missing
from tidegate.policy.trust_stores import TrustSnapshot, TrustStore
from tidegate.strict.quotation import log_line

EXIT_RECORDED, EXIT_INCOMPLETE = 0, 2
_DECISIONS: Final[dict[ImageState, Expected]] = {
    ImageState.ALLOWED: "Allowed",
    ImageState.WARNED: "Warned",
    ImageState.AUDITED: "Audited",
    ImageState.REFUSED: "Denied",
    ImageState.UNKNOWN: "Denied",
    ImageState.NOT_JUDGED: "NotJudged",
}


@click.command
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@policy_option(
    "YAML file with ImagePolicy objects, the exceptions from them, and the TrustStores and ConfigMaps that they use; may be "
    "repeated. tidegate looks up the evidence that these policies need, and the test cases name the files. Default: a policy "
    "that requires immutable tags and no CRITICAL findings."
)
@namespace_option("Namespace of the images. It selects the policies that apply.")
@config_option()
@timeout_option()
@click.option("--name", default="recorded", show_default=True, help="Name of the test, as metadata.name.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write. Default: standard output.",
)
def record(
    images: tuple[str, ...],
    policy_files: tuple[Path, ...],
    namespace: str,
    config: Path | None,
    timeout: float,
    name: str,
    out: Path | None,
) -> None:
    """Look up the evidence of IMAGEs, and write it with the decision of the policies as test cases for tidegate test.

    It asks AWS only for what the policies need, as tidegate explain does. It writes whole signatures with the answers of AWS
    Signer, OCSP responders and CRLs, and tidegate test verifies these signatures again. The file has the findings of your
    images, and the policies of their repositories if a policy requires these. It has no credentials.

    Exit code 0: everything was recorded. 2: at least one look-up failed, and its check is undetermined in the test case; or the
    input is invalid.

    \b
    Examples:
      tidegate record --policy policies.yaml --out cases.yaml \\
        111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4
      tidegate test cases.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    policies = read_policies(policy_files)
    recorded = Recorded()
    engine = engine_of(config, partial(Recorder.around, recorded))
    found = [FoundImage(place="argument", namespace=namespace, text=text) for text in dict.fromkeys(images)]
    judged = judge_images(engine, policies, found, timeout_seconds=timeout)
    evidence = evidence_of(recorded)
    _add_trust(evidence, policies, judged[0].plan.matching.policy_set.trust)
    folder = Path() if out is None else out.parent
    content = CaseFile(
        api_version=API_VERSION,
        kind=KIND,
        metadata=MetadataPart(name=name),
        policies=[os.path.relpath(one, folder) for one in policy_files],
        now=moment_text(engine.clock.now()),
        evidence=evidence,
        cases=[_case(one, policies) for one in judged],
    )
    _write(yaml.safe_dump(msgspec.to_builtins(content), sort_keys=False, width=120), out)
    lacking = _lacking(judged)
    for line in lacking:
        click.echo(log_line(line), err=True)
    sys.exit(EXIT_INCOMPLETE if lacking else EXIT_RECORDED)


def _case(judged: JudgedImage, policies: ReadPolicies) -> CasePart:
    image, verdict = judged.image, judged.verdict
    state = CheckedImage(image=image, judged=judged).state
    reasons = {
        result.reason for one in verdict.judgements for result in one.results if result.outcome is not Outcome.PASS
    }
    return CasePart(
        name=image.text or "",
        object={
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "app", "namespace": image.namespace},
            "spec": {"containers": [{"name": "app", "image": image.text}]},
        },
        expect=ExpectPart(decision=_DECISIONS[state], reasons=sorted(reasons)),
        namespace=_namespace(image.namespace, policies),
    )


def _namespace(name: str, policies: ReadPolicies) -> NamespacePart | None:
    labels = policies.labels.get(name)
    return None if labels is None else NamespacePart(name=name, labels=dict(labels))


def _add_trust(evidence: EvidencePart, policies: ReadPolicies, trust: TrustSnapshot) -> None:
    """Add the keys and trusted roots that were fetched."""
    evidence.kms_keys = [
        KeyPart(arn=arn, pem=key.decode()) for arn, key in trust.keys.items() if isinstance(key, bytes)
    ]
    stores = [trust.stores.get(one.name) for one in policies.trust.to_fetch]
    evidence.trusted_roots = [
        TrustedRootPart(trust_store=one.name, content=one.trusted_root.decode())
        for one in stores
        if isinstance(one, TrustStore) and one.trusted_root is not None
    ]


def _lacking(judged: Sequence[JudgedImage]) -> list[str]:
    """Return the failed look-ups, and the signatures and configurations that are undetermined."""
    lines = {
        f"{one.image.text}: {fact.source} gave no answer ({fact.cause.value})": None
        for one in judged
        for fact in one.evidence.facts
        if isinstance(fact, Missing) and fact.cause is not Cause.NOT_ASKED
    }
    lines |= {
        f"{one.image.text}: {result.check.value} {result.reason.value}: {result.found_and_cause}": None
        for one in judged
        for judgement in one.verdict.judgements
        for result in judgement.results
        if result.outcome is Outcome.UNDETERMINED
        and (
            result.check in {Check.SIGNATURES, Check.ATTESTATIONS}
            or (result.check is Check.REPOSITORY and result.reason is Reason.COULD_NOT_CHECK)
        )
    }
    return list(lines)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ArgumentError(f"{out} cannot be written: {problem.strerror}") from problem
