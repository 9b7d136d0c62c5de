"""Progress of look-ups, shown on a terminal while they run; on anything else, nothing is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

Begin = Callable[[str, int], Callable[[], None]]
"""Shows one kind of look-up with its total; returns the function to call after each look-up."""


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
