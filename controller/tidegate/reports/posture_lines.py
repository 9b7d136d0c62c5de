"""What a report on the posture of repositories is made of: a line for each check that does not pass, and counts.

Texts may be chosen by others: names of repositories, Sids of policies. What shows a text must escape it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.checks.result import Outcome
from tidegate.images.repository import EcrRegistry, EcrRepository

SEVERITIES: Final = ("HIGH", "MEDIUM", "LOW")
"""How bad a failure is, worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureLine:
    """One check of one repository that does not pass.

    ``statement`` is the statement of a policy that says so; ``aws_cli`` is the line that mends it, ``terraform`` the
    resource and attribute; each is empty where there is none. ``cause`` is for operators. ``policy`` names the ImagePolicy
    that demands it, or is empty.
    """

    repository: EcrRepository
    check: str
    outcome: Outcome
    reason: str
    message: str
    severity: str
    statement: str = ""
    aws_cli: str = ""
    terraform: str = ""
    cause: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryLines:
    """One repository: the lines, the checks that pass, and how many of its digests run."""

    repository: EcrRepository
    lines: tuple[PostureLine, ...] = ()
    passed: tuple[str, ...] = ()
    running: int = 0

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome. A repository of which nothing was checked does not pass."""
        outcomes = {line.outcome for line in self.lines}
        if Outcome.FAIL in outcomes:
            return Outcome.FAIL
        return Outcome.PASS if self.passed and not outcomes else Outcome.UNDETERMINED


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLines:
    """One registry: its repositories, and why others could not be listed, or an empty text."""

    registry: EcrRegistry
    repositories: tuple[RepositoryLines, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCount:
    """How many repositories pass one check, fail it, or could not be checked."""

    name: str
    passed: int = 0
    failed: int = 0
    undetermined: int = 0

    @property
    def total(self) -> int:
        """Return how many repositories were checked."""
        return self.passed + self.failed + self.undetermined


@dataclass(frozen=True, slots=True, kw_only=True)
class PostureReport:
    """The registries in the order in which they were asked for."""

    registries: tuple[RegistryLines, ...] = ()

    @property
    def repositories(self) -> Iterator[RepositoryLines]:
        """Yield every repository."""
        return (one for registry in self.registries for one in registry.repositories)

    @property
    def problems(self) -> list[RegistryLines]:
        """Return the registries that could not be read as a whole."""
        return [one for one in self.registries if one.problem]

    def lines(self) -> list[PostureLine]:
        """Return every line, the worst first."""
        return sorted((line for one in self.repositories for line in one.lines), key=_order)

    def counts(self) -> Counter[Outcome]:
        """Return how many repositories have each outcome."""
        return Counter(one.outcome for one in self.repositories)

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome of all: a failure decides, then what could not be determined.

        An empty registry has nothing open. A report on no registry says nothing.
        """
        counts = self.counts()
        if counts[Outcome.FAIL]:
            return Outcome.FAIL
        known = self.registries and not counts[Outcome.UNDETERMINED] and not self.problems
        return Outcome.PASS if known else Outcome.UNDETERMINED


def by_check(repositories: Iterable[RepositoryLines]) -> list[CheckCount]:
    """Return the counts of each check, those with most failures first. The worst line of a check counts."""
    passed, failed, undetermined = Counter[str](), Counter[str](), Counter[str]()
    for one in repositories:
        bad = {line.check for line in one.lines if line.outcome is Outcome.FAIL}
        unknown = {line.check for line in one.lines} - bad
        failed.update(bad)
        undetermined.update(unknown)
        passed.update(set(one.passed) - bad - unknown)
    names = passed | failed | undetermined
    found = [
        CheckCount(name=name, passed=passed[name], failed=failed[name], undetermined=undetermined[name])
        for name in names
    ]
    return sorted(found, key=lambda one: (-one.failed, -one.undetermined, one.name))


def worst_first(repositories: Iterable[RepositoryLines]) -> list[RepositoryLines]:
    """Return the repositories that do not pass, those with the worst lines first, then by name."""
    open_ones = [one for one in repositories if one.outcome is not Outcome.PASS]
    return sorted(open_ones, key=lambda one: (_ranks(one.lines), str(one.repository)))


def _ranks(lines: Sequence[PostureLine]) -> list[tuple[int, int]]:
    return sorted((_outcome_rank(line.outcome), severity_rank(line.severity)) for line in lines)[:1]


def _outcome_rank(outcome: Outcome) -> int:
    return 0 if outcome is Outcome.FAIL else 1


def severity_rank(severity: str) -> int:
    """Return the place of a severity, the worst being 0; an unknown one counts as the worst."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _order(line: PostureLine) -> tuple[int, int, str, str, str]:
    rank = (_outcome_rank(line.outcome), severity_rank(line.severity))
    return (*rank, str(line.repository), line.check, line.reason)
