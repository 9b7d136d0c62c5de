"""Keeps docs/reference/cli.md: each of its blocks is what a command's --help says.

``python -m tests.unit.cli.reference_page`` writes the blocks anew; a test holds them against the commands.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from tidegate.cli.root import main

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
WIDTH = 100
BLOCK = re.compile(r"```console\n\$ (?P<command>tidegate[^\n]*) --help\n(?P<help>.*?)```\n", re.DOTALL)


def commands() -> dict[str, str]:
    """The help of every command, by what is typed for it."""
    settings = {**main.context_settings, "terminal_width": WIDTH}
    return dict(_helps(main, click.Context(main, info_name="tidegate", **settings)))


def _helps(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    yield ctx.command_path, command.get_help(ctx) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from _helps(below, click.Context(below, info_name=name, parent=ctx, terminal_width=WIDTH))


def examples() -> list[list[str]]:
    """The words of each ``tidegate`` command that a help shows as an example."""
    shown = [text.partition("  Example")[2].partition("\n\n")[0] for text in commands().values()]
    lines = re.sub(r" \\\n +", " ", "\n".join(shown)).splitlines()
    found = [re.sub(r"^.* \| | > .*$", "", line).split() for line in lines]
    return [words[1:] for words in found if words[:1] == ["tidegate"]]


def written(page: str) -> dict[str, str]:
    """The help of every command that the page shows."""
    return {found["command"]: found["help"] for found in BLOCK.finditer(page)}


def renewed(page: str) -> str:
    """The page with every block as it should be."""
    helps = commands()
    return BLOCK.sub(lambda found: f"```console\n$ {found['command']} --help\n{helps[found['command']]}```\n", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
