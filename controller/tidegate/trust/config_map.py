"""The files of a trust store in a ConfigMap object. Pure: the caller reads the object."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import ConfigMapSource
from tidegate.trust.store_content import Content


def config_map_content(found: Mapping[str, Any], source: ConfigMapSource, what: str) -> Content:
    """Return the keys that the source names, or all keys; raise PolicyError if one is missing.

    ``what`` names the object in errors.
    """
    data = dict(_data(found, what))
    if not data:
        raise PolicyError((f"{what} is empty",))
    missing = [key for key in source.keys if key not in data]
    if missing:
        raise PolicyError(tuple(f"{what} has no key {key}" for key in missing))
    return Content(files=tuple((key, data[key]) for key in source.keys or sorted(data)))


def _data(found: Mapping[str, Any], what: str) -> Iterator[tuple[str, bytes]]:
    """Yield the keys of ``data`` and ``binaryData`` with their bytes."""
    for name, decode in (("data", str.encode), ("binaryData", _from_base64)):
        part = found.get(name)
        for key, value in part.items() if isinstance(part, Mapping) else ():
            try:
                yield str(key), decode(value)
            except (TypeError, ValueError, binascii.Error) as error:
                raise PolicyError((f"{what}: {name} has an unreadable value for key {key}",)) from error


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
