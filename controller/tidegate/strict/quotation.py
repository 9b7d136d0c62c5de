"""How messages show texts and times that an attacker may have chosen: quoted, cut, in printable ASCII."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""How Kubernetes writes a time in UTC."""
MAX_QUOTED_CHARACTERS = 400
"""Characters of a text that a message repeats; a distinguished name of six attributes has about 100."""
MAX_QUOTED_ITEMS = 10
"""Items of a list that a message repeats."""
MAX_ALTERNATIVES = 3
"""Names of which any one would do that a message repeats."""


def quoted(text: object, maximum: int = MAX_QUOTED_CHARACTERS) -> str:
    """Return the text in double quotes, as Go's ``%q`` writes it, with all but printable ASCII escaped.

    ``maximum`` bounds the characters that are repeated; each may take six when it is escaped.
    """
    words = str(text)
    cut = words if len(words) <= maximum else words[:maximum] + "..."
    return json.dumps(cut).replace("\x7f", "\\x7f")


def printable(text: str) -> str:
    """Return the text in one line, with each character that a terminal would obey, or not show, as a question mark."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def log_line(text: str) -> str:
    """Return the text in one printable line that no CI service takes for a command in the log of a job.

    GitHub Actions obeys a line that begins with ``::`` after spaces, and ``##[`` anywhere; Azure Pipelines obeys ``##vso[``,
    and TeamCity ``##teamcity[``.
    """
    line = printable(text).replace("##", "#?")
    begin = len(line) - len(line.lstrip())
    return f"{line[:begin]}?{line[begin + 1 :]}" if line.startswith("::", begin) else line


def quoted_list(texts: Iterable[object]) -> str:
    """Return the quoted texts in square brackets, as Go prints a slice; those past the tenth are counted only."""
    items = list(texts)
    words = [quoted(text) for text in items[:MAX_QUOTED_ITEMS]]
    more = [f"and {len(items) - MAX_QUOTED_ITEMS} more"] if len(items) > MAX_QUOTED_ITEMS else []
    return f"[{' '.join(words + more)}]"


def alternatives(names: Sequence[str]) -> str:
    """Return the names with ``or`` between them; those past the third are counted only."""
    more = [f"{len(names) - MAX_ALTERNATIVES} more"] if len(names) > MAX_ALTERNATIVES else []
    return " or ".join([*names[:MAX_ALTERNATIVES], *more])


def quoted_time(time: datetime) -> str:
    """Return the time in quotes in the form of RFC 1123 with a numeric zone."""
    return quoted(format_datetime(time.astimezone(UTC)))


def moment(time: datetime) -> str:
    """Return the time in UTC with whole seconds, as Kubernetes writes it: ``2026-11-01T12:00:00Z``."""
    return time.astimezone(UTC).strftime(TIME_FORMAT)


def day(time: datetime) -> str:
    """Return the date in UTC: ``2026-11-01``."""
    return time.astimezone(UTC).date().isoformat()
