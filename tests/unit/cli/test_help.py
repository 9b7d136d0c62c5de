"""What a stranger reads: --help of every command, and its exit codes."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from unittest.mock import Mock

import click
import pytest

from reference import commands
from tests.unit.cli import reference_page
from tests.unit.cli.commands import run
from tidegate import __main__
from tidegate.app.fatal import OUT_OF_MEMORY
from tidegate.cli import root
from tidegate.cli.check import outcome as check
from tidegate.cli.preflight import row
from tidegate.cli.root import main
from tidegate.cli.verify.report import EXIT_CODES, LeftAside, Report, ReportedSignature, as_json
from tidegate.verify.step import Conclusion, StepOutcome, StepResult

COMMANDS = commands()


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


@pytest.mark.parametrize("words", reference_page.examples(), ids=" ".join)
def test_each_example_of_the_help_has_valid_arguments(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [word.replace("~", str(tmp_path)) for word in words]
    for path in (tmp_path / word.partition(":")[0] for word in words):
        if path.name in {"image", "truststore"}:
            path.mkdir(parents=True, exist_ok=True)
        elif path.suffix in {".yaml", ".json", ".jws", ".crl", ".pub", ".tar"}:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    command: click.Command | None = main
    ctx = click.Context(main)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(ctx, words)
    assert command is not None
    command.make_context(command.name, words)


def test_the_help_has_examples():
    assert {words[0] for words in reference_page.examples()} >= {"check", "explain", "import", "verify"}


def test_the_page_names_every_exit_code():
    page = reference_page.PAGE.read_text()
    ended = {root.EXIT_UNKNOWN, root.EXIT_INTERRUPTED, root.EXIT_NO_READER}
    codes = {
        "check": {check.EXIT_ALLOWED, check.EXIT_REFUSED, *ended},
        "verify": {*EXIT_CODES.values(), *ended},
        "import notation": {0, *ended},
        "preflight": {row.EXIT_FINE, row.EXIT_FAILED, *ended},
        "admission": {0, root.EXIT_UNKNOWN, OUT_OF_MEMORY},
    }
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.partition("## Exit codes")[2].partition("\n## ")[0].splitlines()
        if line.startswith("|")
    ]
    for column, title in enumerate(header[1:], 1):
        commands = re.findall(r"`([^`]+)`", title)
        assert {int(cells[0]) for cells in rows if cells[column]} == codes[commands[0]], title


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


def test_an_unknown_command_is_named_with_a_similar_one():
    ended = run("verfy")
    assert (ended.code, "No such command 'verfy'. Did you mean 'verify'?" in ended.err) == (2, True)
    assert "No such command 'x'." in run("x").err


def test_an_interrupted_command_has_an_exit_code_of_its_own(monkeypatch):
    monkeypatch.setattr("tidegate.cli.check.command.read_policies", Mock(side_effect=KeyboardInterrupt))
    ended = run("check", "a")
    assert (ended.code, ended.out, ended.err) == (130, "", "tidegate: interrupted\n")


class PanicException(BaseException):
    """A panic of a Rust library, which is no Exception."""


@pytest.mark.parametrize("bug", [ZeroDivisionError, PanicException])
def test_a_bug_never_exits_as_if_an_image_was_refused(monkeypatch, capsys, bug):
    monkeypatch.setattr("tidegate.cli.check.command.read_policies", Mock(side_effect=bug))
    monkeypatch.setattr(sys, "argv", ["tidegate", "check", "a"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == root.EXIT_UNKNOWN
    error = capsys.readouterr().err
    assert bug.__name__ in error
    assert error.endswith("tidegate: this is a bug; report it with the traceback above\n")


def test_completion_names_the_commands(monkeypatch):
    monkeypatch.setenv("_TIDEGATE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "tidegate ex")
    monkeypatch.setenv("COMP_CWORD", "1")
    code = "import sys; sys.argv = ['tidegate']; from tidegate.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout == "plain,exception\nplain,explain\n"


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
