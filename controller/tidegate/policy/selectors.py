"""Label selectors as policies write them, read into requirements: the form and the rules of Kubernetes.

``matchLabels`` become requirements with the operator In and one value. Evaluation stands in ``match``.
"""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.policy.model import Requirement, SelectorOperator
from tidegate.policy.shape import Choice, Field, ListOf, MapOf, Objection, Section, Text

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


def _values_fit(written: Mapping[str, Any]) -> Objection | None:
    """Refuse values where the operator takes none, and their absence where it needs some."""
    operator, values = written.get("operator"), written.get("values")
    if operator in _WITH_VALUES and not values:
        return Objection(f"operator {operator} without values", "at least one value", "add values")
    if operator in _WITHOUT_VALUES and values:
        return Objection(f"operator {operator} with values", "no values", "remove values, or use In or NotIn")
    return None


def _requirements(
    *, labels: tuple[tuple[str, str], ...] = (), expressions: tuple[Requirement, ...] = ()
) -> tuple[Requirement, ...]:
    exact = (Requirement(key=key, operator=SelectorOperator.IN, values=(value,)) for key, value in labels)
    return (*exact, *expressions)


REQUIREMENT: Final = Section(
    build=Requirement,
    checks=(_values_fit,),
    fields=(
        Field("key", _KEY, into="key", required=True),
        Field("operator", Choice(words=SelectorOperator), into="operator", required=True),
        Field("values", ListOf(item=_VALUE, maximum=MAX_VALUES), into="values"),
    ),
)

LABEL_SELECTOR: Final = Section(
    build=_requirements,
    fields=(
        Field("matchLabels", MapOf(key=_KEY, value=_VALUE, maximum=MAX_REQUIREMENTS), into="labels"),
        Field("matchExpressions", ListOf(item=REQUIREMENT, maximum=MAX_REQUIREMENTS), into="expressions"),
    ),
)
