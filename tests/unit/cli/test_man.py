"""The manual pages: one for each command, with the texts of its help, and clean roff."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from reference import commands
from tests.prerequisites import require
from tests.unit.cli.commands import run
from tidegate.cli.man.pages import pages


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made: Path = tmp_path_factory.mktemp("man")
    assert run("man", made / "man1").code == 0
    return made / "man1"


def test_each_command_has_a_page(folder):
    assert {one.name for one in folder.iterdir()} == {f"{one.replace(' ', '-')}.1" for one in commands()}


def test_roff_has_no_complaint_and_shows_what_the_help_says(folder):
    require("groff", "" if shutil.which("groff") else "install groff")
    for page in sorted(folder.iterdir()):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tascii", "-P-cbou", page], capture_output=True, text=True, check=True
        )
        assert done.stderr == "", page.name
        words = " ".join(done.stdout.replace("-\n", "-").split())
        assert page.stem.upper() in words
    text = (folder / "tidegate-check.1").read_text()
    assert r"\fB\-\-allow\-not\-judged\fR" in text
    assert ".nf\nExamples:\n" in text


def test_what_roff_would_take_as_a_command_or_an_escape_stays_text():
    command = click.Command("odd", help=".TH first\n\n'quoted' C:\\new -x", short_help="Odd.")
    ((name, text),) = pages(command, "odd")
    assert name == "odd.1"
    assert "\n\\&.TH first\n" in text
    assert "\n\\&'quoted' C:\\enew \\-x\n" in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    ended = run("man", tmp_path / "file" / "within")
    assert ended.code == 2
    assert "cannot write into" in ended.err
