"""A requirement as a text that is the same in every process: by it a stored result is found again.

It covers all that the result depends on: the authority, the attestation, and the content of all trust stores and keys.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Final
from weakref import WeakKeyDictionary

from tidegate.signing.requirements import Requirement

_DIGITS: Final = 32
_known: WeakKeyDictionary[Requirement, str] = WeakKeyDictionary()


def fingerprint(requirement: Requirement) -> str:
    """Return the fingerprint of a requirement; another one for any other content."""
    found = _known.get(requirement)
    if found is None:
        content = [
            _plain(requirement.authority),
            _plain(requirement.attestation),
            requirement.same_repository,
            requirement.trust.revision,
        ]
        found = _known[requirement] = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_DIGITS]
    return found


def _plain(value: object) -> object:
    """Return a value as JSON has it; raise TypeError for what has no fixed form."""
    if value is None or isinstance(value, str | int | float | bool):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(value[key])] for key in sorted(value, key=str)]
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *([one.name, _plain(getattr(value, one.name))] for one in fields(value))]
    raise TypeError(f"a requirement holds a {type(value).__name__}, which has no fixed form")
