"""How an identity in a certificate is compared with a policy: exactly, or by an RE2 expression over the whole of it.

RE2 takes linear time whatever a signer wrote into a certificate. Policies with an expression that matches every
identity are refused: such an expression would require nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from tidegate.strict.objection import Objection, quote

MAX_COMPILED: Final = 1024
"""Compiled expressions kept; more than that are compiled again when used."""
MAX_PROGRAM_BYTES: Final = 1 << 20
"""Memory of one compiled expression; RE2 refuses what needs more."""
MAX_VALUE_CHARACTERS: Final = 8192
"""Longer values of certificates fit no expression."""

STRANGERS: Final = (
    "",
    "https://stranger.invalid",
    "https://stranger.invalid/owner/repository/.github/workflows/release.yml@refs/heads/main",
    "stranger@stranger.invalid",
    "spiffe://stranger.invalid/workload",
)
"""Identities that cannot exist: the top-level domain invalid is reserved (RFC 2606). What matches one matches everybody."""


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(text: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_PROGRAM_BYTES
    options.log_errors = False
    return re2.compile(text, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """A value that must be equal, character by character."""

    text: str

    def matches(self, value: str) -> bool:
        """Tell whether the value is this one."""
        return value == self.text

    def __str__(self) -> str:
        return quote(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An RE2 expression that the whole value must fit. ``.`` does not stand for a line break."""

    text: str

    def matches(self, value: str) -> bool:
        """Tell whether the whole value fits; the time is linear in the value."""
        if len(value) > MAX_VALUE_CHARACTERS or not value.isprintable():
            return False
        return _compiled(self.text).fullmatch(value) is not None

    def __str__(self) -> str:
        return f"expression {quote(self.text)}"


Wanted = Exact | Pattern
"""What a policy requires of one part of an identity."""


def make_exact(text: str) -> Exact:
    """Return the value that must be equal."""
    return Exact(text=text)


def make_pattern(text: str) -> Pattern | Objection:
    """Return the expression, or what is wrong with it."""
    try:
        _compiled(text)
    except (re2.error, UnicodeError) as error:
        do = f"correct it ({describe_error(error)}); RE2 has no look-around and no back-references"
        return Objection(quote(text), "a regular expression in RE2's syntax", do)
    pattern = Pattern(text=text)
    stranger = next((one for one in STRANGERS if pattern.matches(one)), None)
    if stranger is None:
        return pattern
    do = f"write the part that only your own identities have: it also matches {quote(stranger)}"
    return Objection(quote(text), "an expression that does not match every identity", do)


def describe_error(error: Exception) -> str:
    """Return what RE2 says is wrong, short and printable."""
    said = error.args[0] if error.args else ""
    return quote(said.decode(errors="replace") if isinstance(said, bytes) else str(said))
