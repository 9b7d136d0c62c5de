"""What the conditions of a statement mean for principals: whom a Deny leaves out, and to whom an Allow is limited.

Sources: IAM's pages on condition operators, on conditions with several keys or values, and on global condition keys. All
operators of a statement must hold, and all keys of an operator; one value of a key is enough, and for a negated operator
none may fit. A negated operator holds where the key is missing, with ``IfExists`` and without.
"""

from typing import Final

from tidegate.posture.iam_policy import PolicyCondition, PolicyStatement
from tidegate.posture.principals import (
    EVERYONE,
    PrincipalSet,
    account_set,
    arn_set,
    intersections,
    organization_set,
)
from tidegate.posture.wildcard import has_wildcard

_ARN_KEY, _ACCOUNT_KEY, _ORGANIZATION_KEY = "aws:principalarn", "aws:principalaccount", "aws:principalorgid"
_PATHS_KEY = "aws:principalorgpaths"
PRINCIPAL_KEYS: Final = (_ARN_KEY, _ACCOUNT_KEY, _ORGANIZATION_KEY)
_NEGATED_ARN = frozenset({"ArnNotLike", "ArnNotEquals"})
_NEGATED_STRING = frozenset({"StringNotLike", "StringNotEquals", "StringNotEqualsIgnoreCase"})
_ARN = frozenset({"ArnLike", "ArnEquals"})
_STRING = frozenset({"StringLike", "StringEquals", "StringEqualsIgnoreCase"})
_COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_OPERATORS: Final = frozenset(
    {
        *_NEGATED_ARN,
        *_NEGATED_STRING,
        *_ARN,
        *_STRING,
        *(f"{kind}{one}" for kind in ("Numeric", "Date") for one in _COMPARISONS),
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "Null",
    }
)
_VARIABLE = "${"
_ABOUT_PRINCIPALS = ("aws:principal", "aws:userid", "aws:username", "aws:federatedprovider", "aws:sourceidentity")


class Unclear(Exception):  # noqa: N818 - it is no error: it says that a statement cannot be decided
    """A statement whose effect this version cannot tell."""


class Narrower(Exception):  # noqa: N818 - as above
    """A Deny that holds only for some requests of those that it is about."""


def exempted(statement: PolicyStatement) -> tuple[PrincipalSet, ...]:
    """Return the principals that a Deny about everyone leaves out; none where it denies all.

    Raise Unclear where a condition is not understood, Narrower where one leaves out requests of any principal.
    """
    narrower: PolicyCondition | None = None
    found: list[PrincipalSet] = []
    for condition in statement.conditions:
        _require_known(condition)
        if condition.qualifier:
            raise Unclear(f"the operator of {condition} is not evaluated")
        is_negated = condition.operator in _NEGATED_ARN | _NEGATED_STRING
        if is_negated and condition.key in PRINCIPAL_KEYS:
            found += _sets(condition)
        elif is_negated and _is_about_principals(condition.key):
            raise Unclear(f"the key of {condition} is not evaluated")
        else:
            narrower = condition
    if narrower is not None:
        raise Narrower(f"it denies only where {narrower} holds")
    return tuple(dict.fromkeys(found))


def limited(statement: PolicyStatement) -> tuple[PrincipalSet, ...]:
    """Return the principals that an Allow is for. Raise Unclear where it is for everyone under an unknown condition."""
    found: tuple[PrincipalSet, ...] = (EVERYONE,) if statement.is_not_principal else statement.principals
    unclear: PolicyCondition | None = None
    for condition in statement.conditions:
        try:
            _require_known(condition)
            if _limits(condition):
                found = intersections(found, _sets(condition))
        except Unclear:
            unclear = condition
    if unclear is not None and EVERYONE in found:
        raise Unclear(f"{unclear} is not evaluated")
    return found


def _require_known(condition: PolicyCondition) -> None:
    if condition.operator not in _OPERATORS:
        raise Unclear(f"the operator of {condition} is not known")


def _is_about_principals(key: str) -> bool:
    """Tell whether a key is about who asks; those of other services than AWS's global ones and ECR's are not known."""
    return key.startswith(_ABOUT_PRINCIPALS) or not key.startswith(("aws:", "ecr:"))


def _limits(condition: PolicyCondition) -> bool:
    """Tell whether an Allow is only for principals that the condition names.

    Where the key may be missing it is not: ``IfExists`` and ``ForAllValues`` hold then.
    """
    if condition.if_exists or condition.qualifier == "ForAllValues":
        return False
    if condition.key == _PATHS_KEY:
        return condition.operator in _STRING and condition.qualifier == "ForAnyValue"
    return condition.key in PRINCIPAL_KEYS and condition.operator in _ARN | _STRING


def _sets(condition: PolicyCondition) -> list[PrincipalSet]:
    """Return the principals that the values name. A wildcard counts as one also where the operator takes it literally."""
    if any(_VARIABLE in value for value in condition.values):
        raise Unclear(f"a value of {condition} has a policy variable")
    if condition.key == _ARN_KEY:
        crosses = condition.operator in _STRING | _NEGATED_STRING
        return [arn_set(value, crosses_segments=crosses) for value in condition.values]
    if condition.operator in _ARN | _NEGATED_ARN:
        raise Unclear(f"{condition} compares ARNs with what is none")
    if condition.key == _PATHS_KEY:
        return [_set_of_path(value) for value in condition.values]
    make = account_set if condition.key == _ACCOUNT_KEY else organization_set
    return [EVERYONE if has_wildcard(value) else make(value) for value in condition.values]


def _set_of_path(value: str) -> PrincipalSet:
    organization, slash, _ = value.partition("/")
    return organization_set(organization) if slash and not has_wildcard(organization) else EVERYONE
