"""``tidegate man``: the manual pages of all commands as files."""

from pathlib import Path

import click

from tidegate.cli.man.pages import pages
from tidegate.errors import Error


@click.command
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def man(context: click.Context, directory: Path) -> None:
    """Write the manual pages of all commands into DIRECTORY.

    If the directory does not exist, tidegate creates it.

    \b
    Example:
      tidegate man ~/.local/share/man/man1
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in pages(context.find_root().command, "tidegate"):
            (directory / name).write_text(content, encoding="utf-8")
            click.echo(directory / name)
    except OSError as problem:
        raise Error(f"cannot write into {directory}: {problem.strerror}") from problem
