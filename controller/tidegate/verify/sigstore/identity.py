"""Whom a policy takes for a signer: an OIDC issuer and a subject, both demanded, each exact or an RE2 expression.

An expression matches the whole text, always: ``https://github.com/acme/`` doesn't match what merely begins with it. RE2
has no backtracking, so a text that an attacker chose costs time in proportion to its length. An expression that would
match anything is refused, since it would make a demanded half optional.
"""

from dataclasses import dataclass, field
from typing import Any

import re2

from tidegate.errors import PolicyError
from tidegate.verify.notation.quotation import quoted
from tidegate.verify.sigstore.proof import KeylessSigner

MAX_RULE_CHARACTERS = 1024
"""Characters of one exact text or expression in a policy."""
MAX_TEXT_CHARACTERS = 4096
"""Characters of an issuer or subject that an expression is tried on; a workflow's name has about 100."""
MAX_EXPRESSION_MEMORY = 1 << 20
"""Bytes that one compiled expression may take."""

_PROBES = ("x", "tidegate.invalid", "https://tidegate.invalid/probe@refs/heads/x", "probe@tidegate.invalid")
"""Texts that no honest expression has in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactly:
    """Matches one text, character for character."""

    text: str

    def __post_init__(self) -> None:
        """Refuse texts that no certificate should hold."""
        _bounded(self.text)

    def matches(self, text: str) -> bool:
        """Return whether the text is the one."""
        return self.text == text

    def __str__(self) -> str:
        return quoted(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """Matches whole texts by an RE2 expression; raises PolicyError for one that doesn't compile or matches anything."""

    pattern: str
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile once, while the policy is loaded."""
        _bounded(self.pattern)
        object.__setattr__(self, "_compiled", _compile(self.pattern))
        if all(self.matches(probe) for probe in _PROBES):
            raise PolicyError((f"expression {quoted(self.pattern)} matches anything",))

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches."""
        if len(text) > MAX_TEXT_CHARACTERS:
            return False
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return False

    def __str__(self) -> str:
        return f"expression {quoted(self.pattern)}"


Rule = Exactly | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One signer, or one family of signers, of one issuer."""

    issuer: Rule
    subject: Rule

    def matches(self, signer: KeylessSigner) -> bool:
        """Return whether issuer and subject both match."""
        return self.issuer.matches(signer.issuer) and self.subject.matches(signer.subject)

    def __str__(self) -> str:
        return f"subject {self.subject}, issuer {self.issuer}"


def lint_expression(pattern: str) -> tuple[str, ...]:
    """Return warnings about an expression that compiles but likely says more than its author meant."""
    warnings = []
    host = pattern.split("//", 1)[-1].split("/", 1)[0] if "//" in pattern else pattern
    if "." in host.replace("\\.", "").replace(".*", "").replace(".+", "").replace("[.]", ""):
        warnings.append(f"a dot in {quoted(host)} matches any character; write \\. for a dot")
    if pattern.startswith((".*", ".+", "^.*", "^.+")):
        warnings.append("the expression leaves the beginning open")
    return tuple(warnings)


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_EXPRESSION_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        raise PolicyError((f"expression {quoted(pattern)} is not RE2",)) from error


def _bounded(text: str) -> None:
    if not 0 < len(text) <= MAX_RULE_CHARACTERS:
        raise PolicyError((f"{len(text)} characters, expected 1 to {MAX_RULE_CHARACTERS}",))
