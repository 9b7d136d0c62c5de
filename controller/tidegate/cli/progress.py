"""How far look-ups are, shown on a terminal while they last and cleared away after them; elsewhere nothing."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

Advance = Callable[[], None]


class ShownProgress:
    """Shows what was begun, for as long as it is used as a context manager. Nothing is written before that."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def begin(self, what: str, total: int) -> Advance:
        """Show one kind of look-up; return what is to be called for each that is done."""
        if not self._console.is_terminal:
            return lambda: None
        if self._progress is None:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.start()
        shown, task = self._progress, self._progress.add_task(what, total=total)
        return lambda: shown.advance(task)
