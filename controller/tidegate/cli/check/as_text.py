"""The outcome of each image as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate.cli.check.outcome import NOTHING, CheckedImage, ImageState, counted
from tidegate.cli.lines import console, print_line
from tidegate.cli.manifests import FoundImage
from tidegate.strict.quotation import log_line

_GAP, _SHORTEST = 2, 7
_STYLES: Final[Mapping[ImageState, str]] = {
    ImageState.ALLOWED: "green",
    ImageState.WARNED: "yellow",
    ImageState.AUDITED: "yellow",
    ImageState.REFUSED: "bold red",
    ImageState.UNKNOWN: "magenta",
    ImageState.NOT_JUDGED: "magenta",
}


def print_table(rows: Sequence[CheckedImage], notes: Sequence[str]) -> None:
    """Print a table of the images, the number of each state, and the notes about the input."""
    to = console()
    shown = [] if list(rows) == [NOTHING] else rows
    column = max((len(one.state.words) for one in shown), default=0)
    column = max(column, _SHORTEST) + _GAP
    if shown:
        to.print(f"{'VERDICT':<{column}}IMAGE", style="bold")
    for one in shown:
        name = "(no image)" if one.image.text is None else log_line(one.image.text)
        to.print(f"{one.state.words.upper():<{column}}{name}", style=_STYLES[one.state])
        if one.image.place != "argument":
            print_line(to, _place(one.image), indent=column)
        for line in one.why:
            print_line(to, line, indent=column)
    if shown:
        to.print()
    to.print(counted(rows))
    for note in notes:
        print_line(to, note)


def _place(image: FoundImage) -> str:
    """Return the object and the field, with file and line."""
    if not image.path:
        return image.place
    where = f"{image.path}:{image.line}"
    return where if image.place == image.path else f"{image.place} ({where})"
