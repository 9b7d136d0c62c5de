"""Progress of look-ups, shown on a terminal while they run.

Elsewhere, such as in the log of a pipeline, only waiting is shown, by one line a minute.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from tidegate.checks.messages import age

Begin = Callable[[str, int], Callable[[], None]]
"""Shows one kind of look-up with its total; returns the function to call after each look-up."""
LINE_SECONDS: Final = 60.0
"""Time between two lines about waiting."""


@contextmanager
def show_progress() -> Iterator[Begin]:
    """Show what is begun until the block ends. Nothing is written before the first begin."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _what, _total: lambda: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    progress = Progress(*columns, console=console, transient=True)

    def begin(what: str, total: int) -> Callable[[], None]:
        progress.start()
        return partial(progress.advance, progress.add_task(what, total=total))

    try:
        yield begin
    finally:
        if progress.tasks:
            progress.stop()


@contextmanager
def show_waiting(seconds: float) -> Iterator[Callable[[str, float], None]]:
    """Show the progress of waiting for so many seconds: a bar on a terminal, and elsewhere one line a minute."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("", total=seconds, left="")

    def tell(what: str, left: float) -> None:
        progress.start()
        progress.update(task, description=what, completed=seconds - left, left=_left(left))

    try:
        yield tell
    finally:
        progress.stop()


class _Lines:
    """Writes a line when the reason to wait changes, and once a minute."""

    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def __call__(self, what: str, left: float) -> None:
        now = time.monotonic()
        if what != self._last or now - self._at >= LINE_SECONDS:
            self._last, self._at = what, now
            click.echo(f"{what}, {_left(left)}", file=sys.stderr)


def _left(seconds: float) -> str:
    return f"{age(timedelta(seconds=seconds))} left"
