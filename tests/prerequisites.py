"""What tests need of the machine: where it is missing they fail if CI is set, and are skipped elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.toolchain.build import ToolchainError


def in_ci() -> bool:
    """Tell whether CI is set, where nothing may be missing."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def require(what: str, missing: str) -> None:
    """Fail or skip the present test where ``missing`` says in words why there is no ``what``."""
    if missing and in_ci():
        pytest.fail(f"no {what}: {missing}", pytrace=False)
    if missing:
        pytest.skip(f"no {what}: {missing}")


def make_ready(make: Callable[[], object]) -> str:
    """Find or build programs; return why that is impossible, or an empty text."""
    try:
        make()
    except ToolchainError as problem:
        return str(problem)
    return ""


def prepare(session: pytest.Session, *places: Path, make: Callable[[], str]) -> str:
    """Make ready what the tests in these places need, if one of them will run; return why that is impossible.

    For ``pytest_collection_finish``: outside of any test's time limit, with progress on the terminal.
    """
    wanted = any(item.path.is_relative_to(place) for item in session.items for place in places)
    if not wanted or session.config.option.collectonly:
        return ""
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return make()
