"""What lint finds: rules with stable ids, and findings. docs/reference/lint.md lists the rules."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self


class LintSeverity(StrEnum):
    """How bad a finding is, worst first: an error makes the command fail, a warning only with --strict."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Rule(StrEnum):
    """The rules. The value is the id, which never changes; ``severity`` and ``short`` describe it."""

    severity: LintSeverity
    short: str

    def __new__(cls, value: str, severity: LintSeverity, short: str) -> Self:
        """Return the member, with its severity and a sentence about it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.short = short
        return member

    UNKNOWN_KIND = (
        "UnknownKind",
        LintSeverity.ERROR,
        "An object of tidegate's API group has a kind that does not exist.",
    )
    UNKNOWN_FIELD = "UnknownField", LintSeverity.ERROR, "An object has a field that does not exist."
    INVALID_VALUE = "InvalidValue", LintSeverity.ERROR, "A field has a value that it cannot have."
    INVALID_REGULAR_EXPRESSION = (
        "InvalidRegularExpression",
        LintSeverity.ERROR,
        "A regular expression is not in the syntax of RE2, or matches every identity.",
    )
    INVALID_CONDITION = (
        "InvalidCondition",
        LintSeverity.ERROR,
        "A condition is not a CEL expression that returns true or false.",
    )
    UNKNOWN_AUTHORITY = (
        "UnknownAuthority",
        LintSeverity.ERROR,
        "An attestation names an authority that the policy does not have.",
    )
    DUPLICATE_OBJECT = "DuplicateObject", LintSeverity.ERROR, "Two objects have the same kind and name."
    UNUSABLE_TRUST = (
        "UnusableTrust",
        LintSeverity.ERROR,
        "An authority relies on a trust store that is invalid or of another type.",
    )
    UNKNOWN_TRUST_STORE = (
        "UnknownTrustStore",
        LintSeverity.WARNING,
        "An authority names a trust store that no file has.",
    )
    NOTHING_PASSES = "NothingPasses", LintSeverity.ERROR, "No image can meet the policy."
    CONTRADICTING_POLICIES = (
        "ContradictingPolicies",
        LintSeverity.ERROR,
        "Two policies apply to the same images, and no image can meet both.",
    )
    NEVER_STRICTER = (
        "NeverStricter",
        LintSeverity.WARNING,
        "Another policy is at least as strict, and applies to all images of this policy.",
    )
    MATCHES_NO_IMAGE = "MatchesNoImage", LintSeverity.WARNING, "A scope matches none of the listed images."
    MATCHES_NO_NAMESPACE = (
        "MatchesNoNamespace",
        LintSeverity.WARNING,
        "A pattern matches none of the listed namespaces.",
    )
    UNKNOWN_POLICY = "UnknownPolicy", LintSeverity.WARNING, "An exception names a policy that no file has."
    ABSENT_CHECK = (
        "AbsentCheck",
        LintSeverity.WARNING,
        "An exception names a check that one of its policies does not have.",
    )
    NOT_PERMITTED = (
        "NotPermitted",
        LintSeverity.WARNING,
        "A policy does not permit a NamespacedImagePolicyException that names it.",
    )
    EXPIRED = (
        "Expired",
        LintSeverity.WARNING,
        "An exception has ended, or the date until which a vulnerability is ignored has passed.",
    )
    WOULD_REFUSE = (
        "WouldRefuse",
        LintSeverity.WARNING,
        "A policy would refuse a running image that no policy refuses now.",
    )
    COULD_REFUSE = (
        "CouldRefuse",
        LintSeverity.NOTE,
        "A policy may refuse a running image: its verdict does not have the evidence that the policy newly needs.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One finding: where it is (``line`` from 1), what it is about, one sentence, and the fix as an imperative sentence."""

    rule: Rule
    file: Path
    line: int
    about: str
    message: str
    fix: str

    @property
    def severity(self) -> LintSeverity:
        """Return how bad it is."""
        return self.rule.severity
