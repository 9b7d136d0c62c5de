"""Label selectors as policies write them, read into requirements: the form and the rules of Kubernetes.

``matchLabels`` become requirements with the operator In and one value. ``match`` evaluates them.
"""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.policy.model import SelectorOperator, SelectorRequirement
from tidegate.policy.shape import Choice, Constraint, Field, ListOf, MapOf, Section, Text

MAX_REQUIREMENTS = 20
MAX_VALUES = 50
MAX_KEY = 317
"""A prefix of 253 characters, a slash and a name of 63."""
MAX_VALUE = 63

KEY_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
VALUE_PATTERN = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

_WITH_VALUES = (SelectorOperator.IN, SelectorOperator.NOT_IN)
_WITHOUT_VALUES = (SelectorOperator.EXISTS, SelectorOperator.DOES_NOT_EXIST)

_KEY = Text(
    expected="a label key such as team or example.com/team",
    do="check it against kubectl get namespaces --show-labels",
    make=str,
    maximum=MAX_KEY,
    pattern=KEY_PATTERN,
)
_VALUE = Text(
    expected="a label value of at most 63 letters, digits and - _ .",
    do="check it against kubectl get namespaces --show-labels",
    make=str,
    minimum=0,
    maximum=MAX_VALUE,
    pattern=VALUE_PATTERN,
)


def _values_misfit(written: Mapping[str, Any]) -> str | None:
    operator, values = written.get("operator"), written.get("values")
    if operator in _WITH_VALUES and not values:
        return f"operator {operator} without values"
    if operator in _WITHOUT_VALUES and values:
        return f"operator {operator} with values"
    return None


def _requirements(
    *, labels: tuple[tuple[str, str], ...] = (), expressions: tuple[SelectorRequirement, ...] = ()
) -> tuple[SelectorRequirement, ...]:
    exact = (SelectorRequirement(key=key, operator=SelectorOperator.IN, values=(value,)) for key, value in labels)
    return (*exact, *expressions)


REQUIREMENT: Final = Section(
    build=SelectorRequirement,
    description="One requirement.",
    checks=(
        Constraint(
            expected="at least one value with In and NotIn, none with Exists and DoesNotExist",
            do="correct the values or the operator",
            got=_values_misfit,
            rule="self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0"
            " : !has(self.values) || self.values.size() == 0",
        ),
    ),
    fields=(
        Field("key", _KEY, "The label's key.", required=True),
        Field(
            "operator",
            Choice(words=SelectorOperator),
            "`In`, `NotIn`, `Exists` or `DoesNotExist`. `NotIn` also matches namespaces without the label.",
            required=True,
        ),
        Field(
            "values",
            ListOf(item=_VALUE, maximum=MAX_VALUES),
            "Values for `In` and `NotIn`, at least one; not allowed for the other two.",
        ),
    ),
)

LABEL_SELECTOR: Final = Section(
    build=_requirements,
    fields=(
        Field(
            "matchLabels",
            MapOf(key=_KEY, value=_VALUE, maximum=MAX_REQUIREMENTS),
            "Labels that the namespace must have, with exactly these values.",
            into="labels",
        ),
        Field(
            "matchExpressions",
            ListOf(item=REQUIREMENT, maximum=MAX_REQUIREMENTS),
            "Requirements on the namespace's labels; all of them must hold.",
            into="expressions",
        ),
    ),
)
