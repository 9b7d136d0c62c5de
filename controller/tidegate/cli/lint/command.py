"""``tidegate lint``: mistakes in policies, exceptions and trust stores that the API server does not see."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from tidegate.cli.argument_files import read_file
from tidegate.cli.documents import read_documents
from tidegate.cli.lint.against import check_against
from tidegate.cli.lint.comparison import MAX_PAIRED, compare
from tidegate.cli.lint.images import (
    ListedImages,
    check_images,
    check_namespaces,
    of_verdicts,
    read_images,
    read_verdicts,
)
from tidegate.cli.lint.objects import LintedObjects, read_objects
from tidegate.cli.lint.output import print_github, print_json, print_sarif, print_text
from tidegate.cli.lint.references import check_references
from tidegate.cli.lint.rules import LintFinding, LintSeverity
from tidegate.cli.namespace_labels import NamespaceLabels, labels_of
from tidegate.cli.options import file_option, output_option
from tidegate.cli.report.reading import MAX_INPUT_BYTES

EXIT_CLEAN, EXIT_FINDINGS = 0, 1
_PRINT = {"text": print_text, "json": print_json, "sarif": print_sarif, "github": print_github}


@click.command
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    metavar="FILE_OR_FOLDER...",
)
@file_option(
    "--images",
    "image_files",
    multiple=True,
    help="List of the images in use, to find scopes that match none of them: one reference on each line, or the output of "
    "kubectl get imageverdicts -o yaml; may be repeated.",
)
@file_option(
    "--against",
    "verdict_files",
    multiple=True,
    help="Output of kubectl get imageverdicts -o yaml, to find running images that the policies would newly refuse; may be "
    "repeated. Its images also count as listed by --images.",
)
@file_option(
    "--namespaces",
    "namespace_files",
    multiple=True,
    help="YAML file with the Namespace objects of the cluster, for selectors, and to find patterns that match no namespace; may "
    "be repeated.",
)
@output_option(
    _PRINT,
    "Output format: text for people, json for programs, sarif for code scanning, or github for annotations in GitHub "
    "Actions.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 also if there are only warnings.")
def lint(
    paths: tuple[Path, ...],
    image_files: tuple[Path, ...],
    verdict_files: tuple[Path, ...],
    namespace_files: tuple[Path, ...],
    output: str,
    strict: bool,
) -> None:
    """Find mistakes in ImagePolicy, TrustStore and exception objects, in files and in all YAML files of folders.

    \b
    It finds mistakes that the API server does not find:
      - trust stores and policies that an object names and no file has
      - policies that no image can meet, and policies that contradict each other
      - policies that another policy makes superfluous
      - exceptions that have ended
      - scopes that match no image

    It also finds fields and values that the API server would refuse, and names their lines. It uses no network.

    Exit code 0: there is no error, and with --strict no warning. 1: there is at least one. 2: the input cannot be read.

    \b
    Examples:
      tidegate lint policies.yaml
      kubectl get imageverdicts -o yaml > verdicts.yaml
      tidegate lint --against verdicts.yaml --strict policies.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    found = read_objects(paths)
    namespaces = labels_of((file, one) for file in namespace_files for one in read_documents(file))
    listed = [read_images(file) for file in image_files]
    against = [of_verdicts(read_verdicts(read_file(one, maximum=MAX_INPUT_BYTES), one)) for one in verdict_files]
    findings = _findings(found, [*listed, *against], against, {**found.labels, **namespaces}, list(namespaces))
    _PRINT[output](findings)
    failing = {LintSeverity.ERROR, LintSeverity.WARNING} if strict else {LintSeverity.ERROR}
    sys.exit(EXIT_FINDINGS if any(one.severity in failing for one in findings) else EXIT_CLEAN)


def _findings(
    found: LintedObjects,
    listed: Sequence[ListedImages],
    against: Sequence[ListedImages],
    labels: NamespaceLabels,
    namespaces: Sequence[str],
) -> list[LintFinding]:
    """Return all findings, in the order of files and lines."""
    now = datetime.now(UTC)
    findings = [*found.findings, *check_references(found, now)]
    if len(found.policies) > MAX_PAIRED:
        click.echo(f"only the first {MAX_PAIRED} policies were compared with each other", err=True)
    findings += compare(found.policies, [one for _, one in found.exceptions])
    images = [reference for one in listed for reference in one.references]
    if listed:
        findings += check_images(found, images)
    if namespaces:
        findings += check_namespaces(found, namespaces)
    verdicts = [verdict for one in against for verdict in one.verdicts]
    if against:
        findings += check_against(found, verdicts, labels, now)
    ordered = sorted(findings, key=lambda one: (str(one.file), one.line, one.rule, one.message))
    return list(dict.fromkeys(ordered))
