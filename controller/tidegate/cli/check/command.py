"""``tidegate check``: whether the cluster would admit these images."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.inputs import Inputs, ReadInputs, read_inputs
from tidegate.cli.check.outcome import checked, exit_code
from tidegate.cli.check.outputs import OUTPUTS, CheckReport, parse_reports
from tidegate.cli.documents import read_documents, read_policies
from tidegate.cli.image_paths import parse_image_paths
from tidegate.cli.judging import engine_of, judge_images
from tidegate.cli.manifests import FoundImage
from tidegate.cli.namespace_labels import labels_of
from tidegate.cli.options import file_option, shared_options
from tidegate.cli.waiting import MAX_WAIT
from tidegate.policy.durations import parse_duration
from tidegate.strict.quotation import quoted


@click.command
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@file_option(
    "--file",
    "-f",
    "files",
    dash=True,
    folder=True,
    multiple=True,
    metavar="PATH",
    help="File with Kubernetes manifests, Compose file, Dockerfile, or - for standard input: the images in it are judged. Of a "
    "folder, all .yaml, .yml and .json files are read, also in subfolders, but not in hidden ones. May be repeated.",
)
@file_option(
    "--compose",
    "compose_files",
    dash=True,
    multiple=True,
    help="Compose file. -f recognizes a Compose file by its content. May be repeated.",
)
@file_option(
    "--dockerfile",
    "dockerfiles",
    dash=True,
    multiple=True,
    help="Dockerfile: the images that it builds on are judged. -f recognizes a Dockerfile by its name, such as Dockerfile "
    "or Dockerfile.web. May be repeated.",
)
@click.option(
    "--build-arg",
    "build_args",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value for an ARG in Dockerfiles; may be repeated.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out files and folders inside a folder of -f, by name or by path in that folder, such as values.yaml or tests/*; "
    "may be repeated.",
)
@shared_options(
    OUTPUTS,
    "Output format: text for people, json, sarif or junit for programs, or github for annotations in GitHub Actions.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Also write the output to a file, as json, sarif or junit, such as sarif=tidegate.sarif; may be repeated.",
)
@click.option(
    "--wait",
    metavar="DURATION",
    help="Time to wait for pending scans and signatures, and for AWS to answer, such as 10m. Default: do not wait.",
)
@file_option(
    "--namespaces",
    "namespace_files",
    multiple=True,
    help="YAML file with Namespace objects, for the namespaceSelector of policies; may be repeated. tidegate also reads those in "
    "the files of --policy and -f; --namespaces takes precedence, then --policy. If no file has a namespace, selectors "
    "are assumed to match it.",
)
@click.option(
    "--image-path",
    "image_paths",
    multiple=True,
    metavar="KIND.GROUP=PATH",
    help="Field with an image in a custom resource, such as Runner.ci.example.com=spec.parts[*].image; may be "
    "repeated. The fields of many kinds are known. An empty PATH says that no other field of the kind has an image.",
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
    compose_files: tuple[Path, ...],
    dockerfiles: tuple[Path, ...],
    build_args: tuple[str, ...],
    exclude: tuple[str, ...],
    policy_files: tuple[Path, ...],
    namespace: str,
    config: Path | None,
    output: str,
    timeout: float,
    reports: tuple[str, ...],
    wait: str | None,
    namespace_files: tuple[Path, ...],
    image_paths: tuple[str, ...],
    strict: bool,
    allow_not_judged: bool,
) -> None:
    """Judge images, and the images in manifests, Compose files and Dockerfiles, with the code and the policies of the cluster.

    \b
    Each image gets one state:
      allowed     every policy that matches the image passes
      warned      the cluster would admit it with a warning
      audited     the cluster would admit it; the audit log has the failure
      refused     the cluster would refuse it
      unknown     it could not be checked, and the cluster would refuse it
      not judged  no policy matches it, or tidegate does not know its field
                  or the content of its file

    Exit code 0: all images were judged and would be admitted. 1: at least one would be refused. 2: no image would be refused, but
    at least one could not be checked or was not judged, there is no image, or the input is invalid.

    \b
    Examples:
      tidegate check 111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4
      helm template ./chart | tidegate check -f - --policy policies.yaml
      kubectl kustomize ./overlay | tidegate check -f - --wait 10m -o sarif
      kubectl get ipol,tst,ipolx,nipolx -A -o yaml > policies.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    if not images and not files and not compose_files and not dockerfiles:
        raise click.UsageError("name at least one IMAGE or -f FILE")
    wait_seconds, written = _seconds(wait), parse_reports(reports)
    policies = read_policies(policy_files)
    read = read_inputs(
        Inputs(
            files=files,
            compose=compose_files,
            dockerfiles=dockerfiles,
            build_args=_build_args(build_args),
            exclude=exclude,
        ),
        namespace=namespace,
        image_paths=parse_image_paths(image_paths),
    )
    labels = labels_of((file, one) for file in namespace_files for one in read_documents(file))
    policies = replace(policies, labels={**read.labels, **policies.labels, **labels})
    found = [*(FoundImage(place="argument", namespace=namespace, text=text) for text in images), *read.images]
    judged = judge_images(
        engine_of(config),
        policies,
        [one for one in found if not one.not_judged],
        timeout_seconds=timeout,
        wait_seconds=wait_seconds,
    )
    rows = checked(found, judged)
    report = CheckReport(rows=rows, notes=_notes(read), strict=strict, allow_not_judged=allow_not_judged)
    report.write(written)
    report.print(output)
    sys.exit(exit_code(rows, strict=strict, allow_not_judged=allow_not_judged))


def _seconds(wait: str | None) -> float:
    if wait is None:
        return 0.0
    found = parse_duration(wait)
    if found is None or not 0 < found.total_seconds() <= MAX_WAIT.total_seconds():
        hours = MAX_WAIT.total_seconds() / 3600
        raise ArgumentError(f"--wait {quoted(wait)}: expected a duration of at most {hours:g}h, such as 10m")
    return found.total_seconds()


def _build_args(texts: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ArgumentError(f"--build-arg {quoted(text)}: expected NAME=VALUE")
        found[name] = value
    return found


def _notes(read: ReadInputs) -> list[str]:
    """Return the lines about what was not read, and about objects without an image."""
    kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(read.skipped.items()))
    return [*read.notes, *([f"objects without images: {kinds}"] if kinds else [])]
