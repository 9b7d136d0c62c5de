"""``tidegate test``: whether policies decide as their test cases say, without a network."""

import sys
from pathlib import Path

import click

from tidegate.cli.cases.read import read_cases
from tidegate.cli.options import output_option, policy_option
from tidegate.cli.test.output import print_json, print_junit, print_text
from tidegate.cli.test.run import CaseState, run_cases

EXIT_PASSED, EXIT_FAILED, EXIT_ERROR = 0, 1, 2
_PRINT = {"text": print_text, "json": print_json, "junit": print_junit}


@click.command("test")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    metavar="FILE_OR_FOLDER...",
)
@policy_option(
    "YAML file with ImagePolicy objects, the exceptions from them, and the TrustStores and ConfigMaps that they use; may "
    "be repeated. All cases are judged by them, in addition to the files that the cases name."
)
@output_option(_PRINT, "Output format: text for people, json for programs, or junit for CI systems.")
def run_tests(paths: tuple[Path, ...], policy_files: tuple[Path, ...], output: str) -> None:
    """Run the test cases of policies, from files and from all YAML files of folders.

    A case has an object, the answers of AWS about its images, and the expected decision. tidegate decides with the code of the
    cluster and without a network. If a case lacks a fact that a check needs, the check is undetermined.
    docs/guides/policy-tests.md describes the cases, and tidegate record writes them from real images.

    Exit code 0: all cases passed. 1: at least one failed. 2: none failed, but at least one could not be judged, or the input is
    invalid.

    \b
    Examples:
      tidegate test cases.yaml
      tidegate test --policy policies.yaml -o junit cases.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    results = run_cases(read_cases(paths), policy_files)
    _PRINT[output](results)
    states = {one.state for one in results}
    if CaseState.FAILED in states:
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_ERROR if CaseState.ERROR in states else EXIT_PASSED)
