"""``tidegate exception``: writes an exception from policies, or applies it, and lists those that exist."""

import asyncio
import getpass
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.documents import read_documents
from tidegate.cli.exception.lists import LISTED_KINDS, described, table
from tidegate.cli.exception.objects import exception_object, path_of
from tidegate.cli.lines import console, print_line
from tidegate.cli.options import file_option, output_option
from tidegate.policy.exception_object import KIND, MAX_REQUESTED_BY, NAMESPACED_KIND
from tidegate.policy.model import ExceptableCheck

FIELD_MANAGER = "tidegate-cli"


@click.group("exception")
def exception_group() -> None:
    """Write exceptions from policies, which end by themselves, and list them.

    An ImagePolicyException is cluster-scoped: RBAC should let only the platform team write it. With --namespaced, it is a
    NamespacedImagePolicyException, which applies to its own namespace as far as the policy permits it.
    """


@exception_group.command("create", short_help="Print an exception as YAML, or apply it.")
@click.argument("name")
@click.option(
    "--policy", "policies", multiple=True, required=True, metavar="NAME", help="Policy to except from; may be repeated."
)
@click.option(
    "--check",
    "checks",
    type=click.Choice([check.value for check in ExceptableCheck]),
    multiple=True,
    metavar="CHECK",
    help=f"Check to except as a whole: one of {', '.join(ExceptableCheck)}. May be repeated.",
)
@click.option(
    "--cve",
    "vulnerabilities",
    multiple=True,
    metavar="ID",
    help="Vulnerability that does not count, as the finding names it; may be repeated. Instead of --check.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    required=True,
    metavar="IMAGE",
    help="Repository, such as HOST/team/app or HOST/team/*; may be repeated. A tag or digest is left out: the exception "
    "applies to all of them.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Namespace that it applies to; a star stands for any characters. May be repeated, except with --namespaced.",
)
@click.option("--namespaced", is_flag=True, help="Write a NamespacedImagePolicyException in the namespace.")
@click.option("--for", "duration", required=True, metavar="DURATION", help="Time until it ends, such as 4h, 90m or 7d.")
@click.option("--reason", required=True, help="Why it is needed, in one line.")
@click.option("--requested-by", help="Who answers for it. Default: the user of this machine.")
@click.option(
    "--apply", "is_applied", is_flag=True, help="Apply it to the cluster of the kubeconfig by server-side apply."
)
def create(
    name: str,
    policies: tuple[str, ...],
    checks: tuple[str, ...],
    vulnerabilities: tuple[str, ...],
    images: tuple[str, ...],
    namespaces: tuple[str, ...],
    namespaced: bool,
    duration: str,
    reason: str,
    requested_by: str | None,
    is_applied: bool,
) -> None:
    """Print the exception NAME as YAML, or apply it.

    Exactly one of --check and --cve is needed. An exception by --cve leaves every other finding as it is.

    \b
    Example:
      tidegate exception create payments-outage --policy production \\
        --check vulnerabilities --namespace payments --for 4h \\
        --image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app \\
        --reason INC-4711 --requested-by ann@example.com
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    if namespaced and (len(namespaces) != 1 or "*" in namespaces[0]):
        raise click.UsageError("--namespaced needs exactly one --namespace, without a star")
    made, notes = exception_object(
        name,
        namespace=namespaces[0] if namespaced else None,
        policies=policies,
        checks=checks,
        vulnerabilities=vulnerabilities,
        images=images,
        namespaces=namespaces,
        duration=duration,
        reason=reason,
        requested_by=requested_by or getpass.getuser()[:MAX_REQUESTED_BY],
    )
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if not is_applied:
        click.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=4096), nl=False)
        return
    asyncio.run(_apply(made))
    click.echo(f"{made['kind'].lower()}.tidegate.dev/{name} applied, ends at {made['spec']['expiresAt']}")


@exception_group.command("list", short_help="List the exceptions of the cluster, or of files.")
@file_option(
    "--file",
    "-f",
    "files",
    dash=True,
    multiple=True,
    help="YAML file with exceptions (- for standard input), instead of the cluster; may be repeated.",
)
@click.option(
    "--namespace", "-n", metavar="NAME", help="List only the NamespacedImagePolicyExceptions in this namespace."
)
@output_option()
def list_exceptions(files: tuple[Path, ...], namespace: str | None, output: str) -> None:
    """List exceptions, the first to end first, with what each excepts, its end and its state.

    \b
    Examples:
      tidegate exception list
      kubectl get imagepolicyexceptions -o yaml | tidegate exception list -f -
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    found: Sequence[Mapping[str, Any]]
    if files:
        found = [one for file in files for one in read_documents(file) if one["kind"] in LISTED_KINDS]
        if namespace is not None:
            found = [one for one in found if (one.get("metadata") or {}).get("namespace") == namespace]
    else:
        found = asyncio.run(_list(namespace))
    rows = described(found)
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    to = console()
    for line in table(rows):
        print_line(to, line)


async def _apply(made: Mapping[str, Any]) -> None:
    # Imported late: the other commands start without the Kubernetes client.
    from tidegate.cluster.api import ApiError, KubernetesApi  # noqa: PLC0415
    from tidegate.cluster.connection import load_configuration  # noqa: PLC0415

    api = KubernetesApi(load_configuration(), threads=1)
    try:
        await api.apply(path_of(made), dict(made), field_manager=FIELD_MANAGER)
    except ApiError as error:
        raise ArgumentError(f"the exception was not applied: {error}") from error
    finally:
        api.close()


async def _list(namespace: str | None) -> Sequence[Mapping[str, Any]]:
    """Return the exceptions of both kinds; a kind that the user may not list is named."""
    from tidegate.cluster.api import ApiError, KubernetesApi  # noqa: PLC0415
    from tidegate.cluster.connection import load_configuration  # noqa: PLC0415

    kinds = (NAMESPACED_KIND,) if namespace is not None else (KIND, NAMESPACED_KIND)
    api = KubernetesApi(load_configuration(), threads=1)
    found: list[Mapping[str, Any]] = []
    problems: list[str] = []
    try:
        for kind in kinds:
            try:
                listed = await api.list_objects(path_of({"kind": kind, "metadata": {"namespace": namespace}}))
            except ApiError as error:
                problems.append(str(error))
            else:
                found += ({"kind": kind, **one} for one in listed)
    finally:
        api.close()
    if len(problems) == len(kinds):
        raise ArgumentError("; ".join(problems))
    for one in problems:
        click.echo(f"note: not listed: {one}", err=True)
    return found
