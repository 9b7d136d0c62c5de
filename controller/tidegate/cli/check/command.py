"""``tidegate check``: whether the cluster would admit these images."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from tidegate.cli.check.outcome import CheckedImage, ImageState, as_json, checked, exit_code
from tidegate.cli.documents import read_documents, read_policies
from tidegate.cli.image_paths import parse_image_paths
from tidegate.cli.judging import engine_of, judge_images
from tidegate.cli.lines import console, print_line
from tidegate.cli.manifests import FoundImage, read_manifests
from tidegate.cli.namespace_labels import labels_of
from tidegate.cli.options import shared_options
from tidegate.strict.quotation import printable

_GAP, _SHORTEST = 2, 7
_STYLES = {
    ImageState.ALLOWED: "green",
    ImageState.WARNED: "yellow",
    ImageState.AUDITED: "yellow",
    ImageState.REFUSED: "bold red",
    ImageState.UNKNOWN: "magenta",
    ImageState.NOT_JUDGED: "magenta",
}


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
@click.option(
    "--namespaces",
    "namespace_files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="YAML file with Namespace objects, for the namespaceSelector of policies; may be repeated. They are also read from "
    "--policy and -f, and those of --namespaces count first, then those of --policy. A selector matches a namespace whose labels "
    "are in no file.",
)
@click.option(
    "--image-path",
    "image_paths",
    multiple=True,
    metavar="KIND.GROUP=PATH",
    help="Field with an image in a custom resource, such as Runner.ci.example.com=spec.parts[*].image; may be "
    "repeated. Many kinds are known. An empty PATH says that no other field of the kind has an image.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 also if a failure only warns, is audited or is logged.")
@click.option(
    "--allow-not-judged",
    is_flag=True,
    help="Exit with 0 also if an image was not judged: no policy matches it, its kind is unknown, or there is no image.",
)
def check(
    images: tuple[str, ...],
    files: tuple[Path, ...],
    policy_files: tuple[Path, ...],
    namespace: str,
    config: Path | None,
    output: str,
    timeout: float,
    namespace_files: tuple[Path, ...],
    image_paths: tuple[str, ...],
    strict: bool,
    allow_not_judged: bool,
) -> None:
    """Judge images, and the images of manifests, by the same code and policies as the cluster.

    An image is allowed, warned or audited (it fails, but the cluster would admit it), refused, unknown (it could not be checked),
    or not judged (no policy matches it, or it is in an unknown field of a custom resource).

    Exit code 0: all images were judged and would be admitted. 1: at least one would be refused. 2: no image would be refused, but
    at least one could not be checked or was not judged, there is no image, or the input is invalid.

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
    read = read_manifests(files, namespace=namespace, image_paths=parse_image_paths(image_paths))
    labels = labels_of((file, one) for file in namespace_files for one in read_documents(file))
    policies = replace(policies, labels={**read.labels, **policies.labels, **labels})
    found = [*(FoundImage(place="argument", namespace=namespace, text=text) for text in images), *read.images]
    judged = judge_images(
        engine_of(config), policies, [one for one in found if not one.not_judged], timeout_seconds=timeout
    )
    rows = checked(found, judged)
    if output == "json":
        click.echo(json.dumps([as_json(one) for one in rows], indent=2))
        if read.skipped:
            click.echo(printable(_skipped(read.skipped)), err=True)
    else:
        _print_table(rows if found else (), read.skipped)
    sys.exit(exit_code(rows, strict=strict, allow_not_judged=allow_not_judged))


def _print_table(rows: Sequence[CheckedImage], skipped: Counter[str]) -> None:
    to = console()
    column = max((len(one.state.words) for one in rows), default=0)
    column = max(column, _SHORTEST) + _GAP
    if rows:
        to.print(f"{'VERDICT':<{column}}IMAGE", style="bold")
    for one in rows:
        name = "(no image)" if one.image.text is None else printable(one.image.text)
        to.print(f"{one.state.words.upper():<{column}}{name}", style=_STYLES[one.state])
        if one.image.place != "argument":
            print_line(to, one.image.place, indent=column)
        for line in _why(one):
            print_line(to, line, indent=column)
    if rows:
        to.print()
    counts = Counter(one.state for one in rows)
    to.print(", ".join(f"{counts[state]} {state.words}" for state in _STYLES if counts[state]) or "no images found")
    if skipped:
        print_line(to, _skipped(skipped))


def _why(row: CheckedImage) -> Sequence[str]:
    """Return the lines about an image: why it is refused, warned, audited or not judged, and the causes."""
    if row.judged is None or row.state is ImageState.NOT_JUDGED:
        return (row.message,)
    verdict = row.judged.verdict
    lines = verdict.denial if verdict.denied else tuple(dict.fromkeys((*verdict.warnings, *verdict.records)))
    return (*lines, *(f"cause: {cause}" for cause in verdict.causes))


def _skipped(skipped: Counter[str]) -> str:
    kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(skipped.items()))
    return f"objects without images: {kinds}"
