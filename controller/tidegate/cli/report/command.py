"""``tidegate report``: what would be refused if everything were enforced, from the verdicts of a cluster or a file."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.outcome import EXIT_ALLOWED, EXIT_REFUSED, EXIT_UNKNOWN
from tidegate.cli.options import file_option, output_option
from tidegate.cli.report.reading import read_cluster, read_files
from tidegate.errors import InvalidReferenceError
from tidegate.reports.as_json import report_as_json
from tidegate.reports.model import Inventory
from tidegate.reports.selection import Selection, find_images
from tidegate.reports.summary import Summary, summarize

GROUPINGS = ("workload", "namespace", "reason", "policy", "image")


@click.command
@click.argument("image", required=False)
@file_option(
    "--file",
    "-f",
    "files",
    dash=True,
    multiple=True,
    help="File with ImageVerdict objects, as kubectl get imageverdicts writes them with -o json or -o yaml (- for standard "
    "input); may be repeated. JSON is read faster. Default: the cluster of the kubeconfig.",
)
@click.option("--namespace", "namespaces", multiple=True, help="Only this namespace; may be repeated.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="Only this ImagePolicy; may be repeated.")
@click.option("--reason", "reasons", multiple=True, metavar="CODE", help="Only this reason code; may be repeated.")
@click.option(
    "--by",
    type=click.Choice(GROUPINGS),
    default="workload",
    show_default=True,
    help="How to group the last table of the text output; JSON and HTML have every grouping.",
)
@output_option(
    ["table", "json", "html"],
    "Output format: a table for people, JSON for programs, or one HTML page that needs no other file.",
)
def report(
    image: str | None,
    files: tuple[Path, ...],
    namespaces: tuple[str, ...],
    policies: tuple[str, ...],
    reasons: tuple[str, ...],
    by: str,
    output: str,
) -> None:
    """Show what would be refused if every policy were enforced today, what turned bad, or all about one IMAGE.

    It reads the verdicts that the background role writes and asks neither AWS nor a registry. IMAGE is a digest (at least
    12 digits), a reference, or a repository.

    Exit code 0: nothing that runs would be refused. 1: something would be refused. 2: nothing would be refused, but
    something could not be checked or read.

    \b
    Examples:
      tidegate report
      tidegate report --namespace shop -o html > report.html
      kubectl get imageverdicts -o json | tidegate report -f -
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    selection = Selection(namespaces=frozenset(namespaces), policies=frozenset(policies), reasons=frozenset(reasons))
    inventory = read_files(files) if files else read_cluster()
    if image is not None:
        inventory = _only(inventory, image)
    summary = summarize(inventory, selection)
    now = datetime.now(UTC)
    shown = inventory.images if image is not None else None
    if output == "json":
        click.echo(json.dumps(report_as_json(summary, inventory, now=now, images=shown), indent=2))
    elif output == "html":
        # Imported late: the other outputs need no templates.
        from tidegate.reports.html_page import render_page  # noqa: PLC0415

        click.echo(render_page(summary, inventory, now=now, selection=selection, images=shown), nl=False)
    else:
        from tidegate.cli.report.text import print_image, print_report  # noqa: PLC0415

        for one in shown or ():
            print_image(one, now)
        print_report(summary, inventory, by=by, now=now)
    sys.exit(exit_code(summary, inventory))


def exit_code(summary: Summary, inventory: Inventory) -> int:
    """Return the exit code of a report."""
    if summary.refused_workloads:
        return EXIT_REFUSED
    complete = summary.images and not (summary.unchecked_workloads or summary.incomplete or inventory.unreadable)
    return EXIT_ALLOWED if complete else EXIT_UNKNOWN


def _only(inventory: Inventory, image: str) -> Inventory:
    try:
        found = find_images(inventory.images, image)
    except InvalidReferenceError as problem:
        raise ArgumentError(f"{image} is neither a digest nor an image reference: {problem}") from problem
    if not found:
        raise ArgumentError(f"no verdict about {image}; only images that run, or ran within the last day, have one")
    return Inventory(images=tuple(found), unreadable=inventory.unreadable)
