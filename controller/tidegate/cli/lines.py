"""Output lines: wrapped on a terminal, and unwrapped elsewhere, so that programs can search them."""

import sys
import textwrap

from rich.console import Console

from tidegate.strict.quotation import log_line

MIN_WIDTH = 60
"""A narrower terminal wraps lines by itself."""


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
