"""The values of policies cannot be changed, and the policies themselves are told apart by identity."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest

from tests.unit.policy.examples import FULL, with_spec
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.parse import compile_policy, parse_policy


def values(value: Any) -> list[Any]:
    """Return every dataclass within a value."""
    if isinstance(value, tuple):
        return [found for one in value for found in values(one)]
    if not is_dataclass(value):
        return []
    return [value, *(found for field in fields(value) for found in values(getattr(value, field.name)))]


WHOLE = parse_policy(with_spec(FULL))
BROKEN = compile_policy(with_spec({}))


@pytest.mark.parametrize("value", [*values(WHOLE), BROKEN], ids=lambda value: type(value).__name__)
def test_a_value_cannot_be_changed(value):
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


def test_limits_cannot_be_changed():
    assert WHOLE.vulnerabilities is not None
    with pytest.raises(TypeError):
        WHOLE.vulnerabilities.max_counts["CRITICAL"] = 9  # type: ignore[index]


def test_two_readings_of_an_object_are_two_keys():
    """Verdict memos key on policies: an edited policy must never be taken for the one before."""
    assert isinstance(BROKEN, BrokenPolicy)
    assert len({WHOLE, parse_policy(with_spec(FULL))}) == 2
    assert len({BROKEN, compile_policy(with_spec({}))}) == 2
