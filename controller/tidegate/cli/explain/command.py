"""``tidegate explain``: the evidence about one image with its age, and the result of each check."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from tidegate.checks.messages import age, cause_words, harmless
from tidegate.checks.verification import MAX_WORDS
from tidegate.checks.vulnerabilities import describe_finding
from tidegate.cli.check.as_json import image_as_json
from tidegate.cli.check.outcome import CheckedImage, exit_code
from tidegate.cli.documents import read_policies
from tidegate.cli.judging import JudgedImage, engine_of, judge_images
from tidegate.cli.lines import console, print_line
from tidegate.cli.manifests import FoundImage
from tidegate.cli.options import shared_options
from tidegate.evidence.fact import Cause, Fact, Missing
from tidegate.evidence.image import Absence, BadContent, ImageDetail, PlatformImage
from tidegate.evidence.index_children import images_within
from tidegate.evidence.registry_configuration import RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.repository import RepositorySettings
from tidegate.evidence.scan import ScanReport
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.evidence.verification_result import VerificationResults

SHOWN_FINDINGS = 10
_LABELS = {"tags": "tag mutability", "runs": "platforms"}
"""Labels in the text for short names in the JSON."""
_RESULT_COLUMN = 15


@click.command
@click.argument("image")
@shared_options()
def explain(
    image: str,
    policy_files: tuple[Path, ...],
    namespace: str,
    config: Path | None,
    output: str,
    timeout: float,
) -> None:
    """Show all evidence for IMAGE with its age, then the result of each check of each policy.

    Exit code 0: the image would be admitted. 1: it would be refused. 2: it could not be checked, or no policy
    matches it.

    \b
    Example:
      tidegate explain --policy policies.yaml \\
        111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    policies = read_policies(policy_files)
    engine = engine_of(config)
    found = FoundImage(place="argument", namespace=namespace, text=image)
    (judged,) = judge_images(engine, policies, [found], timeout_seconds=timeout)
    facts = evidence_lines(judged, engine.clock.now())
    row = CheckedImage(image=found, judged=judged)
    if output == "json":
        click.echo(json.dumps(image_as_json(row) | {"evidence": facts}, indent=2))
    else:
        _print(row, judged, facts)
    sys.exit(exit_code([row]))


def evidence_lines(judged: JudgedImage, now: datetime) -> dict[str, str]:
    """Return each fact about the image as text with source and age, by the name of the fact."""
    reference, evidence = judged.plan.reference, judged.evidence
    if reference is None:
        return {"reference": judged.plan.problem}
    parsed = f"registry {reference.domain}, repository {reference.path}"
    parsed += f", tag {reference.tag}" if reference.tag is not None else ""
    parsed += f", digest {reference.digest}" if reference.digest is not None else ""
    lines = {"reference": parsed, "ECR repository": str(reference.ecr) if reference.ecr else "not Amazon ECR"}
    if judged.plan.wanted is None:
        return lines | {"evidence": "not looked up: no policy that matches this image needs evidence"}
    facts: dict[str, Fact[Any]] = {"image": evidence.detail, "tags": evidence.settings, "runs": evidence.runnable}
    if evidence.scans:
        facts["scan type"] = evidence.scan_type
    facts |= {f"scan of {digest[:19]}": report for digest, report in evidence.scans.items()}
    facts |= {f"signatures of {digest[:19]}": proofs for digest, proofs in evidence.proofs.items()}
    for name in ("repository_configuration", "registry_configuration"):
        fact: Fact[Any] = getattr(evidence, name)
        if not isinstance(fact, Missing) or fact.cause is not Cause.NOT_ASKED:
            facts[name.replace("_", " ")] = fact
    return lines | {name: _fact(fact, now) for name, fact in facts.items()}


def _fact(fact: Fact[Any], now: datetime) -> str:
    if isinstance(fact, Missing) and fact.cause is Cause.NOT_ASKED:
        return "not looked up"
    if isinstance(fact, Missing):
        return f"unknown: {cause_words(fact.cause, fact.source)} ({fact.source})"
    stale = f", stale: {cause_words(fact.stale)}" if fact.stale else ""
    first, *more = _value(fact.value, now).splitlines()
    return "\n".join((f"{first} [{age(now - fact.observed_at)} old{stale}]", *more))


def _value(value: object, now: datetime) -> str:
    match value:
        case Absence() as absence:
            return absence.value
        case ImageDetail() as image:
            pushed = f", pushed {age(now - image.pushed_at)} ago" if image.pushed_at else ""
            return f"{image.digest}, {image.media_type}, {image.status.value}{pushed}"
        case RepositorySettings() as settings:
            filters = f", except {', '.join(settings.exclusion_filters)}" if settings.exclusion_filters else ""
            return f"{settings.mutability.value}{filters}"
        case BadContent() as bad:
            return f"not a valid image: {bad.problem}"
        case ScanReport() as report:
            return _report(report, now)
        case VerificationResults() as proofs:
            return "\n    ".join(_proofs(proofs))
        case RepositoryConfiguration(repository=about) | RegistryConfiguration(registry=about) as configuration:
            return "\n    ".join([str(about), *_parts(configuration)])
        case tuple() as images:
            return ", ".join(
                f"{one.platform or 'any platform'} {one.digest}"
                for one in images_within(tuple(each for each in images if isinstance(each, PlatformImage)))
            )
    return harmless(str(value))


def _report(report: ScanReport, now: datetime) -> str:
    coverage = report.coverage
    scanned = f", last scanned {age(now - coverage.last_scanned_at)} ago" if coverage.last_scanned_at else ""
    head = f"{report.scanner.value}: {coverage.state.value} ({coverage.code} {coverage.reason}){scanned}"
    shown = [describe_finding(one) for one in report.findings[:SHOWN_FINDINGS]]
    more = len(report.findings) - len(shown)
    return "\n    ".join([head, *(shown or ["no findings"]), *([f"and {more} more"] if more else [])])


def _proofs(proofs: VerificationResults) -> list[str]:
    """Return a line for each authority that was asked for: what came of it, by whom, and what is wrong."""
    lines = []
    for requirement, proof in proofs.by_requirement.items():
        about = f"authority {requirement.authority.name}: {proof.state.value}"
        decisive = proof.decisive
        if decisive is not None and decisive.signer:
            about += f", by {harmless(decisive.signer, MAX_WORDS)}"
        if decisive is not None and decisive.clause:
            about += f", {decisive.clause}: {harmless(decisive.text, MAX_WORDS)}"
        about += f", {proof.problem}" if proof.problem else ""
        about += f", some signatures could not be read: {cause_words(proof.outage)}" if proof.outage is not None else ""
        lines.append(about)
    return [
        *lines,
        *(f"Amazon ECR managed signing with {hint.profile_arn}: {hint.state.value}" for hint in proofs.hints),
    ]


def _parts(configuration: RepositoryConfiguration | RegistryConfiguration) -> list[str]:
    """Return a line for each call: what it returned, as JSON where it is no text, or why it returned nothing."""
    parts = {field.name.replace("_", " "): getattr(configuration, field.name) for field in fields(configuration)[1:]}
    return [f"{name}: {_part(part)}" for name, part in parts.items()]


def _part(part: object) -> str:
    if isinstance(part, SourceUnavailableError):
        return f"unknown: {cause_words(part.cause, part.source)}"
    text = part if isinstance(part, str) else json.dumps(msgspec.to_builtins(part))
    return harmless(text if part else "none", MAX_WORDS)


def _print(row: CheckedImage, judged: JudgedImage, facts: Mapping[str, str]) -> None:
    to = console()
    print_line(to, judged.verdict.text, style="bold")
    for name, text in facts.items():
        first, *more = text.splitlines()
        print_line(to, f"{_LABELS.get(name, name)}: {first}", indent=2)
        for line in more:
            print_line(to, line.strip(), indent=4)
    if not judged.verdict.judgements:
        print_line(to, row.message)
    for judgement in judged.verdict.judgements:
        print_line(to, f"policy {judgement.policy.name}", style="bold")
        for result in judgement.results:
            text = f"{result.outcome.value:<12} {result.check.value} {result.reason.value}"
            print_line(to, text + (f": {result.found}" if result.found else ""), indent=2, hanging=_RESULT_COLUMN)
            more = [*result.details, *(f"note: {note}" for note in result.notes)]
            more += [f"cause: {result.cause}"] if result.cause else []
            more += [f"To fix: {result.remedy}"] if result.remedy else []
            for line in more:
                print_line(to, line, indent=_RESULT_COLUMN)
    print_line(to, row.state.words.upper(), style="bold")
