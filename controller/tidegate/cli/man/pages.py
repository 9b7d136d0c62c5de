"""Manual pages in roff from the commands' own help texts, one for each command. No I/O."""

import inspect
from collections.abc import Iterator

import click

from tidegate import __version__

SECTION = "1"
_VERBATIM = "\b"
"""click leaves a paragraph as it is that begins with this."""


def pages(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the file name and the content of the page of a command, and of each command within it that is not hidden."""
    context = click.Context(command, info_name=name)
    yield from _pages(context)


def _pages(context: click.Context) -> Iterator[tuple[str, str]]:
    title = _title(context)
    yield f"{title}.{SECTION}", _page(context, title)
    for _, inner in _subcommands(context):
        yield from _pages(inner)


def _subcommands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is not None and not found.hidden:
            yield name, click.Context(found, info_name=name, parent=context)


def _title(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context, title: str) -> str:
    command = context.command
    lines = [
        f'.TH "{_text(title.upper())}" "{SECTION}" "" "tidegate {__version__}" "tidegate"',
        ".SH NAME",
        f"{_text(title)} \\- {_text(command.get_short_help_str(limit=200).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(context.command_path)}",
        _text(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    options = [one.get_help_record(context) for one in command.get_params(context) if isinstance(one, click.Option)]
    if options:
        lines.append(".SH OPTIONS")
        for written, text in filter(None, options):
            lines += [".TP", f"\\fB{_text(written)}\\fR", _text(text)]
    within = list(_subcommands(context))
    if within:
        lines.append(".SH COMMANDS")
        for name, inner in within:
            lines += [".TP", f"\\fB{_text(name)}\\fR", _text(inner.command.get_short_help_str(limit=200))]
    related = [_title(inner) for _, inner in within] + ([_title(context.parent)] if context.parent else [])
    if related:
        lines += [".SH SEE ALSO", ", ".join(f"\\fB{_text(one)}\\fR({SECTION})" for one in related)]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        if lines and lines[0].strip() == _VERBATIM:
            yield from (".PP", ".nf", *map(_text, lines[1:]), ".fi")
        elif lines:
            yield from (".PP", *map(_text, lines))


def _text(text: str) -> str:
    """Return a text so that roff shows it as it is: a hyphen stays one that can be copied."""
    escaped = " ".join(text.splitlines()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
