"""Three ways to ask for facts, so that the walk over what an image depends on is written once.

A walk is a coroutine that asks for one fact after another through an ``Ask``. ``Get`` waits for look-ups. ``Peek`` and
``Renew`` answer from memory and never suspend, so that ``at_once`` runs the walk to its end without an event loop.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar, overload

from tidegate.errors import Error
from tidegate.evidence.fact import Cause, Missing

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
K_contra = TypeVar("K_contra", contravariant=True)
K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)
V = TypeVar("V")


class SuspendedError(Error):
    """A walk that must end at once waited for something."""


class Lookup(Protocol[K_contra, V_co]):
    """Answers questions of one kind: a cache of facts."""

    def get(self, key: K_contra) -> Coroutine[Any, Any, tuple[V_co | Missing, float]]:
        """Return the answer, looked up if it is not fresh, and the monotonic second until which it may be reused."""
        ...

    def peek(self, key: K_contra, *, stored: bool = False) -> tuple[V_co | Missing, float]:
        """Return what is known at once; unknown is Missing, valid until 0. ``stored`` is whether stored facts count."""
        ...

    def renew(self, key: K_contra) -> None:
        """Note that the answer was used: near the end of its life it is looked up in the background."""
        ...


class Ask(Protocol):
    """One way to ask. ``uses_stored`` is whether what another process looked up counts for what is missing."""

    uses_stored: bool

    def fact(self, lookup: Lookup[K, V], key: K) -> Coroutine[Any, Any, tuple[V | Missing, float]]:
        """Return a fact, and the monotonic second until which it may be reused."""
        ...

    @overload
    def all(
        self, first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B], /
    ) -> Coroutine[Any, Any, tuple[A, B]]: ...
    @overload
    def all(self, *walks: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, tuple[T, ...]]: ...
    def all(self, *walks: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Return what each of the walks returns, in order."""
        ...


class Get(Ask):
    """Waits for look-ups; those of several walks are made side by side. What is missing then could not be looked up."""

    uses_stored = True

    def fact(self, lookup: Lookup[K, V], key: K) -> Coroutine[Any, Any, tuple[V | Missing, float]]:
        """Return the fact as the look-up's ``get`` does."""
        return lookup.get(key)

    async def all(self, *walks: Coroutine[Any, Any, Any]) -> Any:
        """Run the walks side by side; one alone needs no task."""
        return [await walks[0]] if len(walks) == 1 else await asyncio.gather(*walks)


class Peek(Ask):
    """Answers from memory; what is not known is missing for the cause ``otherwise``. ``stored``: also from stored facts."""

    def __init__(self, otherwise: Cause, *, stored: bool = False) -> None:
        self._otherwise = otherwise
        self.uses_stored = stored

    async def fact(self, lookup: Lookup[K, V], key: K) -> tuple[V | Missing, float]:
        """Return what the look-up knows."""
        fact, until = lookup.peek(key, stored=self.uses_stored)
        return (Missing(self._otherwise, fact.source) if isinstance(fact, Missing) else fact), until

    async def all(self, *walks: Coroutine[Any, Any, Any]) -> Any:
        """Run the walks one after the other."""
        answers = []
        try:
            for walk in walks:
                answers.append(await walk)  # noqa: PERF401 - a comprehension that awaits is a coroutine of its own
        except BaseException:
            for walk in walks:
                walk.close()
            raise
        return answers


class Renew(Peek):
    """As Peek; each fact that is known counts as used."""

    def __init__(self) -> None:
        super().__init__(Cause.NOT_ASKED)

    async def fact(self, lookup: Lookup[K, V], key: K) -> tuple[V | Missing, float]:
        """Return what the look-up knows; near the end of its life it is looked up in the background."""
        lookup.renew(key)
        return lookup.peek(key)


GET, RENEW = Get(), Renew()


def at_once(walk: Coroutine[Any, Any, T]) -> T:
    """Return the result of a walk that asks by Peek or Renew; raise SuspendedError where it waits for something."""
    try:
        walk.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        walk.close()
    raise SuspendedError("a walk through cached facts waited for something")
