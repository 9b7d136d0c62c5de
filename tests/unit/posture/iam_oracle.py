"""A second reading of IAM for tests: whether one request is let through, evaluated as AWS documents it.

It shares no code with what it checks. What it does not know is read to the attacker's advantage: an unknown condition never
denies, and always allows.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    arn: str
    account: str
    organization: str | None
    tags: tuple[str, ...] = ()

    def value(self, key: str) -> str | None:
        return {
            "aws:principalarn": self.arn,
            "aws:principalaccount": self.account,
            "aws:principalorgid": self.organization,
            "aws:securetransport": "true",
        }.get(key.lower())


def _glob(pattern: str, text: str) -> bool:
    escaped = re.sub(r"([\[\]])", r"[\1]", pattern)
    return fnmatchcase(text, escaped)


def _arn_glob(pattern: str, text: str) -> bool:
    if pattern == "*":
        return True
    wanted, given = pattern.split(":", 5), text.split(":", 5)
    return len(wanted) == len(given) and all(map(_glob, wanted, given))


_TESTS = {
    "ArnLike": _arn_glob,
    "ArnEquals": _arn_glob,
    "StringLike": _glob,
    "StringEquals": lambda one, other: one == other,
    "StringEqualsIgnoreCase": lambda one, other: one.lower() == other.lower(),
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holds(operator: str, key: str, values: list[str], caller: Caller, *, otherwise: bool) -> bool:
    qualifier, _, plain = operator.rpartition(":")
    is_optional = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    value = caller.value(key)
    if plain == "Bool":
        return value in values
    positive = plain.replace("Not", "", 1)
    known = caller.value(key) is not None or key.lower() == "aws:principalorgid"
    if positive not in _TESTS or not known or any("${" in one for one in values):
        return otherwise
    if value is None:
        return plain != positive or is_optional or qualifier == "ForAllValues"
    matched = any(_TESTS[positive](one, value) for one in values)
    return matched is (plain == positive)


def _applies(statement: dict[str, Any], caller: Caller, action: str, arn: str) -> bool:
    otherwise = statement["Effect"] == "Allow"
    named = "NotAction" if "NotAction" in statement else "Action"
    covered = any(_glob(one.lower(), action.lower()) for one in _listed(statement[named]))
    if covered is (named == "NotAction"):
        return False
    if "Resource" in statement and not any(_glob(one, arn) for one in _listed(statement["Resource"])):
        return False
    principal = statement["Principal"]
    names = ["*"] if principal == "*" else _listed(principal.get("AWS", []))
    own = {"*", caller.account, f"arn:aws:iam::{caller.account}:root", caller.arn}
    if not own & set(names):
        return False
    return all(
        _holds(operator, key, _listed(values), caller, otherwise=otherwise)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def may(statements: list[dict[str, Any]], caller: Caller, action: str, arn: str) -> bool:
    """Return whether the policy lets the caller through: one of the account may have an identity policy that allows all."""
    about = [one for one in statements if _applies(one, caller, action, arn)]
    if any(one["Effect"] == "Deny" for one in about):
        return False
    return caller.account == ACCOUNT or bool(about)
