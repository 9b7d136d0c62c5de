"""Fetches the trust that policies in files use and the files lack: trusted roots of TUF repositories, and keys in AWS KMS.

It runs the controller's own background readers until they have every answer, or the time is over. An authority whose trust
could not be fetched is undetermined, with the reason and the fix.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from tidegate.app.engine import Engine
from tidegate.cli.progress import Begin
from tidegate.cli.trust_documents import TrustOfFiles
from tidegate.errors import PolicyError
from tidegate.policy.trust_store_object import StoreObject, TufRepository
from tidegate.policy.trust_stores import AnyTrustStore, TrustSnapshot
from tidegate.trust import kms_keys as trust_keys
from tidegate.trust import trusted_roots as trust_roots
from tidegate.trust.kms_keys import KmsKeys
from tidegate.trust.store_content import broken_store, compile_store
from tidegate.trust.trusted_roots import FetchedRoots
from tidegate.trust.tuf.repository import FetchedRoot, TufRoots

DO_ABOUT_KEY: Final = "check it with aws kms get-public-key, or set pem instead"
DO_ABOUT_ROOT: Final = "correct it, or set trustedRoot instead"
MAX_KEY_SENTENCE: Final = 200
MAX_ROOT_SENTENCE: Final = 250
"""Characters with the fix. Messages are cut at 320, and begin with the key's ARN or the trust store's name."""
ASKING_SHARE: Final = 0.8
"""Fraction of the time for requests to repositories; in the rest, the copies on disk are read."""


class _InTime:
    """Fetches all trusted roots before one deadline (monotonic seconds)."""

    def __init__(self, roots: TufRoots, until: float) -> None:
        self._roots = roots
        self._until = until
        self.kept = roots.kept

    def fetch(self, repository: TufRepository) -> FetchedRoot:
        return self._roots.fetch(repository, seconds=self._until - monotonic())


async def fetch_trust(trust: TrustOfFiles, engine: Engine, *, seconds: float, begin: Begin) -> TrustSnapshot:
    """Return the trust of the files, completed by calls if something is missing."""
    repositories = frozenset(one.source for one in trust.to_fetch if isinstance(one.source, TufRepository))
    if not repositories and not trust.keys:
        return TrustSnapshot.of(trust.stores)
    advance = begin("fetching trusted roots and keys", len(repositories) + len(trust.keys))
    keys = KmsKeys(engine.kms)
    source = _InTime(engine.trusted_roots, monotonic() + seconds * ASKING_SHARE)
    roots = FetchedRoots(source, now=engine.clock.now, name_causes=True)
    for one in (keys, roots):
        one.notify(advance)
    roots.want(repositories)
    async with _running(keys, roots):
        keys.answers(trust.keys)
        await asyncio.gather(keys.wait(seconds), roots.wait(seconds))
        answers = keys.answers(trust.keys)
    late = f"it was not fetched within {seconds:g} seconds (half of --timeout)"
    fetched = [_store(one, roots, late) for one in trust.to_fetch]
    return TrustSnapshot.of((*trust.stores, *fetched), _keys(answers, late))


@asynccontextmanager
async def _running(*readers: KmsKeys | FetchedRoots) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in readers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _keys(answers: Mapping[str, bytes | str], late: str) -> dict[str, bytes | str]:
    """Return each key, or the reason and the fix if it could not be read."""
    reasons = {trust_keys.NOT_YET: late}
    return {
        arn: answer
        if isinstance(answer, bytes)
        else _sentence(reasons.get(answer, answer), DO_ABOUT_KEY, MAX_KEY_SENTENCE)
        for arn, answer in answers.items()
    }


def _store(obj: StoreObject, roots: FetchedRoots, late: str) -> AnyTrustStore:
    """Return the trust store with its fetched content, or a broken one."""
    assert isinstance(obj.source, TufRepository)
    try:
        return compile_store(obj, roots.content(obj.source)).store
    except PolicyError as error:
        reason = late if error.problems == (trust_roots.NOT_YET,) else error.problems[0]
        return broken_store(obj, (_sentence(reason, DO_ABOUT_ROOT, MAX_ROOT_SENTENCE),)).store


def _sentence(reason: str, do: str, limit: int) -> str:
    room = limit - len(do) - len("; ")
    return f"{reason if len(reason) <= room else reason[: room - 1] + '…'}; {do}"
