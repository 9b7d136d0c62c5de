"""How messages show texts and times that an attacker may have chosen: quoted, cut, in printable ASCII."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime

MAX_QUOTED_CHARACTERS = 400
"""Characters of a text that a message repeats; a distinguished name of six attributes has about 100."""
MAX_QUOTED_ITEMS = 10
"""Items of a list that a message repeats."""


def quoted(text: object) -> str:
    """Return the text in double quotes, as Go's ``%q`` writes it, with all but printable ASCII escaped."""
    words = str(text)
    cut = words if len(words) <= MAX_QUOTED_CHARACTERS else words[:MAX_QUOTED_CHARACTERS] + "..."
    return json.dumps(cut).replace("\x7f", "\\x7f")


def quoted_list(texts: Iterable[object]) -> str:
    """Return the quoted texts in square brackets, as Go prints a slice; those past the tenth are counted only."""
    items = list(texts)
    words = [quoted(text) for text in items[:MAX_QUOTED_ITEMS]]
    more = [f"and {len(items) - MAX_QUOTED_ITEMS} more"] if len(items) > MAX_QUOTED_ITEMS else []
    return f"[{' '.join(words + more)}]"


def quoted_time(moment: datetime) -> str:
    """Return the time in quotes in the form of RFC 1123 with a numeric zone."""
    return quoted(format_datetime(moment.astimezone(UTC)))
