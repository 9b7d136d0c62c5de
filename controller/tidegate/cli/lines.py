"""Lines for a person: broken at the edge of a terminal; elsewhere whole, for programs that look for words in them."""

import sys
import textwrap

from rich.console import Console

MIN_WIDTH = 60
"""Columns below which a terminal is left to break lines by itself."""


def console() -> Console:
    """Return the console for the standard output: without markup, so that brackets in a text mean nothing."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, soft_wrap=True)


def print_line(
    to: Console, text: str, *, style: str | None = None, indent: int = 0, hanging: int | None = None
) -> None:
    """Print a text; further lines of it begin at the column ``hanging``, or two behind the first."""
    if not to.is_terminal:
        to.print(" " * indent + text, style=style)
        return
    lines = textwrap.wrap(
        text,
        max(to.width, MIN_WIDTH),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2 if hanging is None else hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
    to.print("\n".join(lines), style=style)
