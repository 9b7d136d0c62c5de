"""``tidegate check``: whether the cluster would admit these images."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tidegate.checks.result import Outcome
from tidegate.cli.documents import FoundImage, read_images, read_policies
from tidegate.cli.judging import JudgedImage, engine_of, judge_images
from tidegate.cli.lines import console, print_line
from tidegate.cli.options import shared_options
from tidegate.strict.quotation import printable

EXIT_ALLOWED, EXIT_REFUSED, EXIT_UNKNOWN = 0, 1, 2
_IMAGE_COLUMN = 9
_RESULT_FIELDS = ("check", "outcome", "reason", "found", "details", "remedy", "cause", "notes", "exceptions")
_STYLES = {"ALLOWED": "green", "WARNED": "yellow", "REFUSED": "bold red", "UNKNOWN": "magenta"}


@click.command
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option(
    "--file",
    "-f",
    "files",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="YAML file with Kubernetes manifests, whose images are judged (- for standard input); may be repeated.",
)
@shared_options
def check(
    images: tuple[str, ...],
    files: tuple[Path, ...],
    policy_files: tuple[Path, ...],
    namespace: str,
    config: Path | None,
    output: str,
    timeout: float,
) -> None:
    """Judge images, and the images of manifests, by the same code and policies as the cluster.

    Exit code 0: all images would be admitted. 1: at least one would be refused. 2: no image would be refused, but at
    least one could not be checked (AWS or a registry does not answer, invalid input, no image).

    \b
    Examples:
      tidegate check 111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4
      helm template ./chart | tidegate check -f - --policy policies.yaml
      kubectl get imagepolicies,truststores,imagepolicyexceptions -o yaml \\
        > policies.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    if not images and not files:
        raise click.UsageError("name at least one IMAGE or -f FILE")
    policies = read_policies(policy_files)
    found, skipped = read_images(files, namespace=namespace)
    found = [FoundImage(place="argument", namespace=namespace, text=text) for text in images] + found
    judged = judge_images(engine_of(config), policies, found, timeout_seconds=timeout)
    if output == "json":
        click.echo(json.dumps([as_json(one) for one in judged], indent=2))
    else:
        _print_table(judged, skipped)
    sys.exit(exit_code(judged))


def exit_code(judged: Sequence[JudgedImage]) -> int:
    """Return the exit code for the verdicts; without any image it is EXIT_UNKNOWN."""
    denied = [one.verdict for one in judged if one.verdict.denied]
    if any(verdict.outcome is Outcome.FAIL for verdict in denied):
        return EXIT_REFUSED
    return EXIT_UNKNOWN if denied or not judged else EXIT_ALLOWED


def as_json(judged: JudgedImage) -> dict[str, Any]:
    """Return a judged image as JSON. Field names are stable; docs/reference/cli.md lists them."""
    verdict = judged.verdict
    return {
        "image": verdict.text,
        "place": judged.image.place,
        "namespace": judged.image.namespace,
        "digest": verdict.digest,
        "allowed": not verdict.denied,
        "outcome": verdict.outcome,
        "warnings": verdict.warnings,
        "policies": [
            {
                "name": judgement.policy.name,
                "actions": sorted(judgement.policy.actions),
                "results": [{name: getattr(one, name) for name in _RESULT_FIELDS} for one in judgement.results],
            }
            for judgement in verdict.judgements
        ],
    }


def word(judged: JudgedImage) -> str:
    """Return the verdict as one word."""
    verdict = judged.verdict
    if verdict.denied:
        return "REFUSED" if verdict.outcome is Outcome.FAIL else "UNKNOWN"
    return "WARNED" if verdict.warnings else "ALLOWED"


def _print_table(judged: Sequence[JudgedImage], skipped: dict[str, int]) -> None:
    to = console()
    if judged:
        to.print("VERDICT  IMAGE", style="bold")
    for one in judged:
        to.print(f"{word(one):<{_IMAGE_COLUMN}}{printable(one.verdict.text)}", style=_STYLES[word(one)])
        if one.image.place != "argument":
            print_line(to, one.image.place, indent=_IMAGE_COLUMN)
        for why in one.verdict.denial if one.verdict.denied else one.verdict.warnings:
            print_line(to, why, indent=_IMAGE_COLUMN)
        for cause in one.verdict.causes:
            print_line(to, f"cause: {cause}", indent=_IMAGE_COLUMN)
    if judged:
        to.print()
    counts = {name: sum(word(one) == name for one in judged) for name in _STYLES}
    to.print(", ".join(f"{count} {name.lower()}" for name, count in counts.items() if count) or "no images found")
    if skipped:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(skipped.items()))
        print_line(to, f"skipped objects of kinds that tidegate does not check: {kinds}")
