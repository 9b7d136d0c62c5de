"""Types that msgspec decodes, made ready before threads use them.

msgspec learns a type when it is first used. If two threads first use one at the same time, the process crashes (msgspec 0.22).
"""

from typing import Any

import msgspec


def prepare(*types: Any) -> None:
    """Have msgspec learn the types; called where they are defined, in the one thread that imports the module."""
    for one in types:
        msgspec.json.Decoder(one)
