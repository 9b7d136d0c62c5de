"""The text of a resource policy of IAM into statements. Strict: what this version does not know makes it unreadable.

Tolerant where IAM is: a single statement, action, principal or value may stand for a list of one; names of actions and
condition keys have no case. Source: the grammar of IAM's JSON policy language.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import MAX_POLICY_CHARACTERS
from tidegate.posture.principals import EVERYONE, PrincipalKind, PrincipalSet, named_set
from tidegate.posture.wildcard import contains, has_wildcard
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import printable, quoted

MAX_STATEMENTS: Final = 100
"""Statements of one policy; the shortest one that AWS accepts has 60 characters."""
MAX_DEPTH: Final = 6
"""Nested objects and lists of a policy: the values of a condition are the deepest."""
MAX_STATEMENT_TEXT: Final = 600
"""Characters of a statement that a report repeats."""
MAX_REMEMBERED: Final = 1024
"""Policies that are kept as they were read."""

_WHAT = "policy"
_VERSIONS = ("2008-10-17", "2012-10-17")
_TOP = frozenset({"Version", "Id", "Statement"})
_ELEMENTS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_SEGMENTS = 6
_QUALIFIERS = ("ForAllValues", "ForAnyValue")
_IF_EXISTS = "IfExists"


class Effect(StrEnum):
    """What a statement does."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCondition:
    """One key of one operator. ``key`` is in lower case; ``qualifier`` is ``ForAllValues``, ``ForAnyValue`` or empty."""

    qualifier: str
    operator: str
    if_exists: bool
    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        prefix = f"{self.qualifier}:" if self.qualifier else ""
        return f"{prefix}{self.operator}{_IF_EXISTS if self.if_exists else ''} {self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """One statement. ``principals`` of a ``NotPrincipal`` are those that it leaves out; ``resources`` None is no element.

    ``principals`` can be wider than what is written: a role of any account counts as everyone. ``is_about_everyone`` is True only
    where all principals are written as ``*``, whatever the conditions are: a Deny of a role of any account denies few of them.
    ``label`` is its Sid, or its number; ``text`` is its JSON, cut.
    """

    label: str
    text: str
    effect: Effect
    principals: tuple[PrincipalSet, ...]
    is_not_principal: bool
    is_about_everyone: bool
    actions: tuple[str, ...]
    is_not_action: bool
    resources: tuple[str, ...] | None
    is_not_resource: bool
    conditions: tuple[PolicyCondition, ...]

    def covers_action(self, action: str) -> bool:
        """Tell whether it is about an action, given in lower case."""
        return any(contains(one, action) for one in self.actions) is not self.is_not_action

    def covers_resource(self, arn: str, *, needs_one: bool) -> bool | None:
        """Tell whether it is about a resource, or None where that is unclear.

        ``needs_one``: the policy is of a registry, whose statements name resources; in that of a repository they need not.
        """
        if self.resources is None:
            return not needs_one
        if self.is_not_resource or any("${" in one for one in self.resources):
            return None
        if any(_surely_holds(one, arn) for one in self.resources):
            return True
        return None if any(contains(one, arn) for one in self.resources) else False


def _surely_holds(resource: str, arn: str) -> bool:
    """Tell whether a pattern of ARNs holds one, where a wildcard stands for a colon only at the end of the pattern."""
    parts = resource.split(":", _SEGMENTS - 1)
    is_whole = len(parts) == _SEGMENTS or (resource.endswith("*") and not has_wildcard(parts[-1].rstrip("*")))
    return is_whole and all(map(contains, parts, arn.split(":", len(parts) - 1)))


@lru_cache(maxsize=MAX_REMEMBERED)
def parse_policy_text(text: str) -> tuple[PolicyStatement, ...]:
    """Return the statements of a policy; raise VerificationError for a text that this version does not fully understand."""
    if len(text) > MAX_POLICY_CHARACTERS:
        raise VerificationError(f"{_WHAT}: {len(text)} characters, more than {MAX_POLICY_CHARACTERS}")
    document = strict_object(text.encode("utf-8", errors="surrogatepass"), _WHAT)
    _check_shape(document, MAX_DEPTH)
    _only(document, _TOP)
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise VerificationError(f"{_WHAT}: version {quoted(version, 40)} is not known")
    written = document.get("Statement")
    statements = [written] if isinstance(written, dict) else written
    if not isinstance(statements, list) or len(statements) > MAX_STATEMENTS:
        raise VerificationError(f"{_WHAT}: expected a list of at most {MAX_STATEMENTS} statements")
    return tuple(_statement(one, number) for number, one in enumerate(statements, 1))


def _check_shape(value: object, depth: int) -> None:
    """Refuse what is nested too deep, and names of one object that differ only in case: IAM may read one or the other."""
    if not isinstance(value, dict | list):
        return
    if depth == 0:
        raise VerificationError(f"{_WHAT}: nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict) and len({name.casefold() for name in value}) != len(value):
        raise VerificationError(f"{_WHAT}: two names that differ only in case")
    for inner in value.values() if isinstance(value, dict) else value:
        _check_shape(inner, depth - 1)


def _only(written: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(set(written) - known):
        raise VerificationError(f"{_WHAT}: element {quoted(unknown[0], 40)} is not known")


def _statement(written: object, number: int) -> PolicyStatement:
    if not isinstance(written, dict):
        raise VerificationError(f"{_WHAT}: statement {number} is not an object")
    _only(written, _ELEMENTS)
    effect, sid = written.get("Effect"), written.get("Sid", "")
    if effect not in (Effect.ALLOW.value, Effect.DENY.value) or not isinstance(sid, str):
        raise VerificationError(f"{_WHAT}: statement {number} has no effect that is known")
    principals, is_not_principal = _one_of(written, "Principal", "NotPrincipal", number)
    actions, is_not_action = _one_of(written, "Action", "NotAction", number)
    resources, is_not_resource = _one_of(written, "Resource", "NotResource", number, optional=True)
    text = printable(json.dumps(written, separators=(",", ":")))
    return PolicyStatement(
        label=quoted(sid, 80) if sid else f"number {number}",
        text=text if len(text) <= MAX_STATEMENT_TEXT else text[:MAX_STATEMENT_TEXT] + "...",
        effect=Effect(effect),
        principals=_principals(principals),
        is_not_principal=is_not_principal,
        is_about_everyone=not is_not_principal and _names_everyone(principals),
        actions=tuple(_action(one) for one in _texts(actions, "an action")),
        is_not_action=is_not_action,
        resources=None if resources is None else _texts(resources, "a resource"),
        is_not_resource=is_not_resource,
        conditions=_conditions(written.get("Condition", {})),
    )


def _one_of(
    written: Mapping[str, Any], name: str, negated: str, number: int, *, optional: bool = False
) -> tuple[Any, bool]:
    """Return the value of an element or of its negation, and which of them it is."""
    if name in written and negated in written:
        raise VerificationError(f"{_WHAT}: statement {number} has both {name} and {negated}")
    if name not in written and negated not in written and not optional:
        raise VerificationError(f"{_WHAT}: statement {number} has no {name}")
    return (written[negated], True) if negated in written else (written.get(name), False)


def _texts(written: object, what: str) -> tuple[str, ...]:
    values = written if isinstance(written, list) else [written]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise VerificationError(f"{_WHAT}: {what} is not a text")
    return tuple(values)


def _action(text: str) -> str:
    # Lower-casing other letters could make them letters of an action's name.
    if not text.isascii():
        raise VerificationError(f"{_WHAT}: action {quoted(text, 40)} is not ASCII")
    return text.lower()


def _names_everyone(written: object) -> bool:
    """Tell whether a principal is ``*``, alone or as one of ``AWS``: a wildcard in another place stands for some of them."""
    of_aws = written.get("AWS") if isinstance(written, dict) else written
    return "*" in (of_aws if isinstance(of_aws, list) else [of_aws])


def _principals(written: object) -> tuple[PrincipalSet, ...]:
    if written in ("*", ["*"]):
        return (EVERYONE,)
    if not isinstance(written, dict) or not written:
        raise VerificationError(f"{_WHAT}: a principal is neither * nor an object")
    found: list[PrincipalSet] = []
    for kind, values in written.items():
        names = _texts(values, "a principal")
        if kind == "AWS":
            found += map(named_set, names)
        elif kind == "Service":
            found += [PrincipalSet(PrincipalKind.SERVICE, one) if "*" not in one else EVERYONE for one in names]
        elif kind in ("Federated", "CanonicalUser"):
            found += [PrincipalSet(PrincipalKind.PRINCIPAL, one) if "*" not in one else EVERYONE for one in names]
        else:
            raise VerificationError(f"{_WHAT}: principals of type {quoted(kind, 40)} are not known")
    return tuple(dict.fromkeys(found))


def _conditions(written: object) -> tuple[PolicyCondition, ...]:
    if not isinstance(written, dict):
        raise VerificationError(f"{_WHAT}: a condition is not an object")
    found = []
    for name, keys in written.items():
        qualifier, colon, operator = name.partition(":")
        if not colon:
            qualifier, operator = "", name
        if (colon and qualifier not in _QUALIFIERS) or not isinstance(keys, dict) or not keys:
            raise VerificationError(f"{_WHAT}: condition {quoted(name, 40)} is not known")
        if_exists = operator.endswith(_IF_EXISTS)
        for key, values in keys.items():
            if not key.isascii():
                raise VerificationError(f"{_WHAT}: condition key {quoted(key, 40)} is not ASCII")
            found.append(
                PolicyCondition(
                    qualifier=qualifier,
                    operator=operator.removesuffix(_IF_EXISTS),
                    if_exists=if_exists,
                    key=key.lower(),
                    values=_values(values),
                )
            )
    return tuple(found)


def _values(written: object) -> tuple[str, ...]:
    """Return the values of a condition key; IAM takes numbers and truth values as their text."""
    values = written if isinstance(written, list) else [written]
    if not values or not all(isinstance(one, str | bool | int | float) for one in values):
        raise VerificationError(f"{_WHAT}: the value of a condition is not a text")
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)
