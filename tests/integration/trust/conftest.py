"""A TUF repository on loopback, and refreshes whose pauses are short."""

from collections.abc import Iterator

import pytest

from tests.simulator.tuf_repository import TufRepository
from tidegate.policy.trust_store_object import TufRepository as Named
from tidegate.trust import refresh, trusted_roots

FIRST, SECOND = b'{"first": true}', b'{"second": true}'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about how long a pause is."""
    monkeypatch.setattr(refresh, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(refresh, "LAST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(trusted_roots, "REFRESH_SECONDS", 0.01)


@pytest.fixture
def repository() -> Iterator[TufRepository]:
    with TufRepository(FIRST) as repository:
        yield repository


@pytest.fixture
def named(repository: TufRepository) -> Named:
    return Named(url=repository.url, root=repository.root_json.decode())
