"""The calls that a command made to AWS and registries: what failed with its cause, and with ``--verbose`` all of them.

The operator reads this terminal, so the text has the causes: identity, API, error code and request id. It goes to standard
error, so that programs can read the output.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tidegate.cli.aws_lines import aws_line
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry, Registry

MAX_KEPT: Final = 1_000
"""APIs of registries that are counted, and failures that are listed."""
_OF_AN_IDENTITY: Final = frozenset({Cause.ACCESS_DENIED, Cause.ROLE_DENIED, Cause.CREDENTIALS})


@dataclass(slots=True, kw_only=True)
class _Count:
    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Failure:
    problem: SourceUnavailableError
    times: int = 1


@dataclass(slots=True, kw_only=True)
class MadeCalls:
    """Takes each call as it ends, in any thread. ``roles`` are the roles that are assumed, by account."""

    roles: dict[str, str] = field(default_factory=dict)
    _counts: dict[tuple[str, Registry], _Count] = field(default_factory=dict)
    _failures: dict[tuple[str, Registry, Cause], _Failure] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def called(self, source: str, registry: Registry, seconds: float, problem: Exception | None) -> None:
        """Count a call that ended; ``problem`` is why it failed."""
        with self._lock:
            key = source, registry
            if key not in self._counts and len(self._counts) >= MAX_KEPT:
                return
            count = self._counts.setdefault(key, _Count())
            count.calls += 1
            count.seconds += seconds
            count.slowest = max(count.slowest, seconds)
            if problem is not None:
                count.failed += 1
        self.unanswered(source, registry, problem)

    def unanswered(self, source: str, registry: Registry, problem: Exception | None) -> None:
        """Note a failure, once for each cause."""
        if not isinstance(problem, SourceUnavailableError):
            return
        with self._lock:
            key = source, registry, problem.cause
            if (known := self._failures.get(key)) is not None:
                known.times += 1
                known.problem = known.problem if known.problem.detail else problem
            elif len(self._failures) < MAX_KEPT:
                self._failures[key] = _Failure(problem=problem)

    def failures(self, references: Iterable[ImageReference], identity: Callable[[], str]) -> list[str]:
        """Return lines about each failure. ``identity`` looks up the caller; it is called only if that explains a failure."""
        examples = {one.ecr.registry: one for one in references if one.ecr is not None}
        lines: list[str] = []
        caller = ""
        for (_, registry, cause), failure in self._failures.items():
            problem = failure.problem
            times = f" ({failure.times} times)" if failure.times > 1 else ""
            lines.append(f"{problem.source} failed for {_place(registry)}{times}: {problem.detail or cause.value}")
            if not isinstance(registry, EcrRegistry):
                continue
            if cause in _OF_AN_IDENTITY:
                caller = caller or _identity(identity)
                role = self.roles.get(registry.account)
                lines.append(f"  identity: {caller}{f', which assumes {role}' if role else ''}")
            if line := aws_line(
                problem.source, cause, registry, examples.get(registry), self.roles.get(registry.account)
            ):
                lines.append(f"  to try it: {line}")
        return lines

    def summary(self) -> list[str]:
        """Return a line for each API of each registry: how often it was called, and how long that took."""
        if not self._counts:
            return ["no calls to AWS or registries"]
        lines = []
        for (source, registry), count in sorted(self._counts.items(), key=lambda one: (one[0][0], str(one[0][1]))):
            calls = "1 call" if count.calls == 1 else f"{count.calls} calls"
            slowest = f", slowest {count.slowest:.2f} s" if count.calls > 1 else ""
            failed = f", {count.failed} failed" if count.failed else ""
            lines.append(f"{source} for {_place(registry)}: {calls}, {count.seconds:.2f} s{slowest}{failed}")
        return lines


def _place(registry: Registry) -> str:
    return f"{registry.account} in {registry.region}" if isinstance(registry, EcrRegistry) else str(registry)


def _identity(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except SourceUnavailableError as problem:
        return f"unknown, {problem.source} failed: {problem.detail or problem.cause.value}"
