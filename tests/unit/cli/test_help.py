"""What a stranger reads: --help of every command, and the page of the reference that repeats it."""

import re
import subprocess
import sys
from datetime import UTC, datetime

import click
import pytest

from tests.unit.cli import reference_page
from tests.unit.cli.commands import run
from tidegate.cli.root import main
from tidegate.cli.verify.report import LeftAside, Report, ReportedSignature, as_json
from tidegate.verify.step import Conclusion, StepOutcome, StepResult

COMMANDS = reference_page.commands()


def test_the_page_shows_the_help_of_every_command():
    page = reference_page.PAGE.read_text()
    assert reference_page.written(page) == COMMANDS, "run: python -m tests.unit.cli.reference_page"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_had_by_both_names(command, option):
    ended = run(*command.split()[1:], option)
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: {command.replace('tidegate', 'main', 1)} ")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_narrow_terminal(command):
    """Examples and forms are left as they are written, so they are written short."""
    ended = run(*command.split()[1:], "--help")
    too_long = [line for line in ended.out.splitlines() if len(line) > 80]
    assert not too_long


def test_every_option_says_what_it_is_for():
    found: list[click.Command] = [main]
    for command in found:
        assert command.help
        assert all(one.help for one in command.params if isinstance(one, click.Option)), command.name
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            found += filter(None, (command.get_command(ctx, name) for name in command.list_commands(ctx)))
    assert len(found) == len(COMMANDS)


def test_the_examples_of_the_help_are_commands_that_there_are():
    for text in COMMANDS.values():
        for command in re.findall(r"^ +(tidegate [a-z]+)", text, re.MULTILINE):
            assert command in COMMANDS


def test_the_guide_names_every_member_of_the_json_and_every_word():
    step = StepResult(number=1, title="t", outcome=StepOutcome.OK, rules="r")
    signature = ReportedSignature(
        kind="k", place="p", verdict=Conclusion.FAILED, steps=(step,), authority="a", attestation="b"
    )
    aside = LeftAside(what="w", reason="r", detail="d")
    whole = as_json(
        Report(
            subject="s",
            at=datetime.now(UTC),
            verdict=Conclusion.FAILED,
            remedy="r",
            digest="d",
            policy="p",
            signatures=(signature,),
            left_aside=(aside,),
        )
    )
    inside = [*whole["signatures"], *whole["signatures"][0]["steps"], *whole["leftAside"]]
    words = {name for one in (whole, *inside) for name in one} - {"signatures", "leftAside"}
    page = (reference_page.PAGE.parents[1] / "guides" / "verify.md").read_text()
    for word in (*words, *Conclusion, *StepOutcome, "signatures[]", "signatures[].steps[]", "leftAside[]"):
        assert f"`{word}`" in page, word


def test_a_command_that_there_is_not_is_named():
    ended = run("verfy")
    assert (ended.code, "No such command 'verfy'" in ended.err) == (2, True)


def test_without_a_command_the_help_is_shown():
    assert "Commands:" in run().err + run().out


def loaded_by(*imported: str, then: str = "") -> set[str]:
    """The modules that a fresh interpreter has loaded after these."""
    code = f"import sys, {', '.join(imported)}; {then}print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_only_the_controller_needs_kopf_and_the_kubernetes_client():
    """Both take their time to import, and a laptop has no cluster."""
    loaded = loaded_by("tidegate.cli.root", "tidegate.cli.verify.image")
    assert "tidegate.cli.verify.image" in loaded
    assert not {"kopf", "kubernetes", "sigstore", "tuf"} & loaded


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["check", "--help"]])
def test_what_asks_nobody_needs_no_sdk_of_aws(arguments):
    """It takes longer to import than everything else together."""
    loaded = loaded_by("tidegate.cli.root", then=f"tidegate.cli.root.main({arguments!r}, standalone_mode=False); ")
    assert "tidegate.cli.root" in loaded
    assert not {"boto3", "botocore", "tidegate.app.engine"} & loaded


def test_the_help_of_the_whole_imports_no_subcommand():
    """Imports are nearly all of its time: 0.9 s of processor time with all subcommands, 0.1 s without."""
    loaded = loaded_by("tidegate.cli.root", then="tidegate.cli.root.main(['--help'], standalone_mode=False); ")
    assert {name for name in loaded if name.partition(".")[0] == "tidegate"} == {
        "tidegate",
        "tidegate.cli",
        "tidegate.cli.root",
        "tidegate.errors",
    }
    assert not {"rich", "structlog", "yaml", "cryptography", "msgspec"} & loaded


def test_files_and_layouts_are_verified_without_an_sdk_of_aws():
    loaded = loaded_by("tidegate.cli.verify.command", "tidegate.cli.verify.layout", "tidegate.cli.imports.command")
    assert not {"boto3", "botocore", "tidegate.app.engine"} & loaded
