"""Output lines: wrapped on a terminal, and unwrapped elsewhere, so that programs can search them."""

import sys
import textwrap
from collections.abc import Sequence

from rich.console import Console

from tidegate.strict.quotation import log_line, printable

MIN_WIDTH = 60
"""A narrower terminal wraps lines by itself."""
MAX_COLUMN = 60
"""Characters of a column, so that one long name does not widen a table."""


def console() -> Console:
    """Return the console for standard output. It prints brackets as they are, without markup."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, soft_wrap=True)


def print_line(
    to: Console, text: str, *, style: str | None = None, indent: int = 0, hanging: int | None = None
) -> None:
    """Print a text without the control characters, and the commands to a CI service, that others may have written into it.

    Continuation lines begin at column ``hanging``, by default two columns after the first line.
    """
    text = log_line(text)
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


def print_table(to: Console, head: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> None:
    """Print aligned columns below their names, without control characters."""
    cleaned = [tuple(printable(text) for text in line) for line in (head, *lines)]
    widths = [min(MAX_COLUMN, max(len(line[column]) for line in cleaned)) for column in range(len(head))]
    for number, line in enumerate(cleaned):
        text = "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        to.print(text, style="bold" if number == 0 else None)
