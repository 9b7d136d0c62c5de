"""Trusted roots fetched in the background from a TUF repository: new ones noticed, old ones kept while they hold."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.integration.trust.conftest import FIRST, SECOND
from tests.simulator.tuf_repository import TufRepository
from tests.waiting import until
from tidegate.egress.hosts import HostList
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import TufRepository as Named
from tidegate.trust.trusted_roots import NOT_YET, FetchedRoots
from tidegate.trust.tuf.repository import FetchedRoot, TufRoots


@pytest.fixture
def source(repository: TufRepository, tmp_path: Path) -> TufRoots:
    return TufRoots(tmp_path, hosts=HostList((), [repository.host]))


@asynccontextmanager
async def running(roots: FetchedRoots):
    task = asyncio.create_task(roots.run())
    yield roots
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def content(roots: FetchedRoots, named: Named) -> bytes | str:
    """Return the content, or why there is none."""
    try:
        ((name, found),) = roots.content(named).files
    except PolicyError as error:
        return "; ".join(error.problems)
    assert name == "trusted_root.json"
    return found


async def test_a_root_that_is_wanted_is_fetched_and_told(source, named):
    roots, told = FetchedRoots(source), []
    roots.notify(lambda: told.append("news"))
    assert content(roots, named) == NOT_YET
    async with running(roots):
        roots.want(frozenset({named}))
        await until(lambda: told)
        assert content(roots, named) == FIRST
        refreshed = roots.content(named).refreshed_at
        assert refreshed is not None
        assert datetime.now(UTC) - refreshed < timedelta(minutes=1)


async def test_another_root_is_noticed(source, repository, named):
    async with running(FetchedRoots(source)) as roots:
        roots.want(frozenset({named}))
        await until(lambda: content(roots, named) == FIRST)
        repository.publish(SECOND)
        await until(lambda: content(roots, named) == SECOND)


async def test_what_could_not_be_fetched_is_said_and_tried_again(source, repository, named):
    repository.inject(about="timestamp.json", status=503)
    async with running(FetchedRoots(source)) as roots:
        roots.want(frozenset({named}))
        words = f"it could not be fetched from {repository.url}; tidegate's log has the cause"
        with capture_logs() as lines:
            await until(lambda: content(roots, named) == words)
        assert any("it answered with HTTP status 503" in line.get("error", "") for line in lines)
        repository.clear()
        await until(lambda: content(roots, named) == FIRST)


async def test_while_a_repository_does_not_answer_the_last_root_stays_for_as_long_as_it_holds(
    source, repository, named
):
    now = datetime.now(UTC)
    async with running(FetchedRoots(source, now=lambda: now)) as roots:
        roots.want(frozenset({named}))
        await until(lambda: content(roots, named) == FIRST)
        repository.inject(status=503)
        repository.requests.clear()
        await until(lambda: len(repository.requests) > 3)
        assert content(roots, named) == FIRST
        now = repository.expires["timestamp"] - timedelta(seconds=1)
        assert content(roots, named) == FIRST
        now = repository.expires["timestamp"]
        assert f"expired at {now:%Y-%m-%dT%H:%M:%SZ}" in str(content(roots, named))


async def test_after_a_restart_what_was_fetched_before_serves_while_nobody_answers(source, repository, named):
    fetched = source.fetch(named)
    repository.inject(status=503)
    async with running(FetchedRoots(source)) as roots:
        roots.want(frozenset({named}))
        await until(lambda: content(roots, named) == FIRST)
        assert roots.content(named).refreshed_at == fetched.refreshed_at
        repository.clear()
        repository.publish(SECOND)
        await until(lambda: content(roots, named) == SECOND)


async def test_a_root_that_nobody_wants_is_not_fetched(source, repository, named):
    async with running(FetchedRoots(source)) as roots:
        roots.want(frozenset({named}))
        await until(lambda: content(roots, named) == FIRST)
        roots.want(frozenset())
        assert content(roots, named) == NOT_YET


class Faulty:
    def fetch(self, repository: Named) -> FetchedRoot:
        raise KeyError(repository)

    def kept(self, repository: Named) -> FetchedRoot | None:
        raise KeyError(repository)


async def test_a_fault_of_our_own_ends_nothing(named):
    async with running(FetchedRoots(Faulty())) as roots:
        roots.want(frozenset({named}))
        await until(lambda: "because of an error inside tidegate" in str(content(roots, named)))
