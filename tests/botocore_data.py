"""botocore's data files, parsed once in a process.

Thousands of tests make a session of boto3 of their own, and each session would read the same files anew: 0.15 s of processor time.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader


def share() -> None:
    """Have all sessions share what one has read; the files do not change while tests run."""
    load = functools.cache(JSONFileLoader().load_file)
    list_services = Loader.list_available_services
    listed: dict[tuple[str, ...], list[str]] = {}

    def load_file(_: JSONFileLoader, path: str) -> Any:
        return load(path)

    def list_available_services(loader: Loader, type_name: str) -> list[str]:
        key = (*loader.search_paths, type_name)
        if key not in listed:
            listed[key] = list_services(loader, type_name)
        return list(listed[key])

    for_good = pytest.MonkeyPatch()
    for_good.setattr(JSONFileLoader, "load_file", load_file)
    for_good.setattr(Loader, "list_available_services", list_available_services)
