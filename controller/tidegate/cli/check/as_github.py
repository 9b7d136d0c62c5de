"""The state of each image as annotations of GitHub Actions: a workflow command for each image that is not allowed.

An image that changes the exit code is an error. The others are warnings, and what is only audited a notice.
"""

from collections.abc import Iterator, Sequence

from tidegate.cli.check.outcome import EXIT_ALLOWED, CheckedImage, ImageState, counted
from tidegate.strict.quotation import log_line


def github_lines(
    rows: Sequence[CheckedImage], notes: Sequence[str], *, strict: bool, allow_not_judged: bool
) -> Iterator[str]:
    """Yield the workflow commands, errors first, since GitHub shows ten of a kind, and then the number of each state."""
    commands = [
        (_command(row, row.exit_code(strict=strict, allow_not_judged=allow_not_judged)), row)
        for row in rows
        if row.state is not ImageState.ALLOWED
    ]
    for wanted in ("error", "warning", "notice"):
        yield from (_annotation(command, row) for command, row in commands if command == wanted)
    yield counted(rows)
    yield from map(log_line, notes)


def _command(row: CheckedImage, code: int) -> str:
    if code != EXIT_ALLOWED:
        return "error"
    return "notice" if row.state is ImageState.AUDITED else "warning"


def _annotation(command: str, row: CheckedImage) -> str:
    image = row.image
    properties = {"file": image.path, "line": str(image.line)} if image.path else {}
    properties["title"] = f"{row.state.words}: {image.text or image.place}"
    named = ",".join(f"{name}={escaped(value, ':,')}" for name, value in properties.items())
    place = [] if image.place in {"argument", image.path} else [image.place]
    return f"::{command} {named}::{'%0A'.join(escaped(line) for line in (*place, *row.why))}"


def escaped(text: str, more: str = "") -> str:
    """Return a text that cannot end the command, and so begin another one."""
    text = log_line(text).replace("%", "%25")
    for one in more:
        text = text.replace(one, f"%{ord(one):02X}")
    return text
