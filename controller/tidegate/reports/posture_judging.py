"""Judges what was read of a repository by the rules of policies, or by the default rules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tidegate.checks.result import Outcome
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import ConfiguredRepository
from tidegate.evidence.registry_configuration import (
    Answer,
    RegistryConfiguration,
    RepositoryConfiguration,
    StoredImage,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository
from tidegate.policy.match import repository_matches
from tidegate.policy.model import ImagePolicy, RepositoryRules, RequiredLifecycle, RequiredScanning
from tidegate.posture.assess import assess
from tidegate.posture.result import (
    SEVERITIES,
    PostureCheck,
    PostureReason,
    PostureResult,
    PostureSeverity,
    PostureStatus,
)
from tidegate.reports.posture_lines import PostureLine, RepositoryLines

DEFAULT_RULES: Final = RepositoryRules(scanning=RequiredScanning.CONTINUOUS, lifecycle=RequiredLifecycle.REQUIRED)
"""The rules without --policy. Who may push and pull, and whether tags can move, is checked under any rules."""
REPOSITORY: Final = "repository"
"""The check that stands for all others of a repository of which nothing was checked."""
_OUTCOMES: Final = {
    PostureStatus.PASS: Outcome.PASS,
    PostureStatus.FAIL: Outcome.FAIL,
    PostureStatus.UNDETERMINED: Outcome.UNDETERMINED,
}


_OF_PUSH: Final = (
    PostureCheck.PUSH,
    PostureCheck.PUSH_GUARD,
    PostureCheck.REPLICATION,
    PostureCheck.PULL_THROUGH_CACHE,
)
_OF_PULL: Final = (PostureCheck.PULL, PostureCheck.PULL_WRITES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDigests:
    """The digests of one repository that run. ``children`` are those of each index that is judged by several images."""

    digests: frozenset[Digest] = frozenset()
    children: Mapping[Digest, frozenset[Digest]] = field(default_factory=dict)
    images: int = 0


NOTHING_RUNS: Final = RunningDigests()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRepository:
    """One repository as it was read. ``images`` are given if something of it runs and it has a lifecycle policy."""

    repository: EcrRepository
    configuration: ConfiguredRepository
    images: Answer[tuple[StoredImage, ...]] = ()
    running: RunningDigests = NOTHING_RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one policy demands of a repository, and the checks that say whether it is met."""

    policy: str
    rules: RepositoryRules
    checks: frozenset[PostureCheck]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryJudge:
    """Judges repositories by the policies with a section ``repository``; without policies, by DEFAULT_RULES.

    ``least`` is the least severity of the checks without a policy. ``knows_running`` says whether it is known what runs.
    ``judges_all`` applies the default rules also to repositories that none of the policies is about.
    """

    policies: tuple[ImagePolicy, ...]
    now: datetime
    least: PostureSeverity = PostureSeverity.MEDIUM
    knows_running: bool = False
    judges_all: bool = False

    def judge(self, read: ReadRepository, registry: RegistryConfiguration) -> RepositoryLines:
        """Return the lines about a repository."""
        repository, configuration = read.repository, read.configuration
        if isinstance(configuration, Absence | SourceUnavailableError):
            unread = _unread(repository, configuration)
            return RepositoryLines(repository=repository, lines=(unread,), running=read.running.images)
        lines: dict[PostureLine, None] = {}
        passed: dict[str, None] = {}
        demands = self._demands(repository)
        if not demands:
            unjudged = _undetermined(repository, "NotJudged", "no policy is about the repository")
            return RepositoryLines(repository=repository, lines=(unjudged,), running=read.running.images)
        for demand in demands:
            for result in self._results(demand, read, configuration, registry):
                if result.status is PostureStatus.PASS:
                    passed[result.check.value] = None
                else:
                    lines[_line(repository, result, demand.policy)] = None
        return RepositoryLines(
            repository=repository, lines=tuple(lines), passed=tuple(passed), running=read.running.images
        )

    def _results(
        self,
        demand: Demand,
        read: ReadRepository,
        configuration: RepositoryConfiguration,
        registry: RegistryConfiguration,
    ) -> Iterator[PostureResult]:
        results = assess(
            configuration,
            registry,
            demand.rules,
            now=self.now,
            images=read.images,
            running=read.running.digests,
            children=read.running.children,
        )
        for result in results:
            if result.check in demand.checks:
                yield result if self.knows_running else _without_running(result, demand.rules, configuration)

    def _demands(self, repository: EcrRepository) -> list[Demand]:
        """Return what is demanded of a repository; without policies, what the default rules demand."""
        demands = [
            Demand(policy=policy.name, rules=policy.repository, checks=_checks_of(policy, policy.repository))
            for policy in self.policies
            if policy.repository is not None and repository_matches(policy.match, repository)
        ]
        if demands or (self.policies and not self.judges_all):
            return demands
        ranks = list(PostureSeverity)
        checks = (one for one in PostureCheck if ranks.index(SEVERITIES[one]) <= ranks.index(self.least))
        return [Demand(policy="", rules=DEFAULT_RULES, checks=frozenset(checks))]


def _checks_of(policy: ImagePolicy, rules: RepositoryRules) -> frozenset[PostureCheck]:
    demanded = {
        _OF_PUSH: rules.push is not None,
        _OF_PULL: rules.pull is not None,
        (PostureCheck.SCANNING,): rules.scanning is not None,
        (PostureCheck.ENCRYPTION,): rules.encryption is not None,
        (PostureCheck.LIFECYCLE,): rules.lifecycle is not None,
        (PostureCheck.TAG_IMMUTABILITY,): policy.tags is not None and policy.tags.immutable,
    }
    return frozenset(check for checks, wanted in demanded.items() if wanted for check in checks)


def _without_running(
    result: PostureResult, rules: RepositoryRules, configuration: RepositoryConfiguration
) -> PostureResult:
    """Return the result; UNDETERMINED where it would pass only because it is not known what runs."""
    if (
        result.check is not PostureCheck.LIFECYCLE
        or result.status is not PostureStatus.PASS
        or rules.lifecycle is not RequiredLifecycle.KEEPS_RUNNING_IMAGES
        or configuration.lifecycle is None
    ):
        return result
    return PostureResult(
        check=PostureCheck.LIFECYCLE,
        status=PostureStatus.UNDETERMINED,
        reason=PostureReason.COULD_NOT_CHECK,
        message="it is not known which images run",
        cause="name them with --running",
    )


def _line(repository: EcrRepository, result: PostureResult, policy: str) -> PostureLine:
    return PostureLine(
        repository=repository,
        check=result.check.value,
        outcome=_OUTCOMES[result.status],
        reason=result.reason.value,
        message=result.message,
        severity=result.severity.value,
        statement=result.statement,
        aws_cli=result.aws_cli,
        terraform=result.terraform,
        cause=result.cause,
        policy=policy,
    )


def _unread(repository: EcrRepository, problem: Absence | SourceUnavailableError) -> PostureLine:
    if isinstance(problem, Absence):
        return _undetermined(repository, "RepositoryNotFound", "the repository does not exist")
    reason = PostureReason.COULD_NOT_CHECK.value
    return _undetermined(repository, reason, "nothing of the repository could be read", cause=str(problem))


def _undetermined(repository: EcrRepository, reason: str, message: str, *, cause: str = "") -> PostureLine:
    """Return the line about a repository of which nothing was checked."""
    return PostureLine(
        repository=repository,
        check=REPOSITORY,
        outcome=Outcome.UNDETERMINED,
        reason=reason,
        message=message,
        severity=PostureSeverity.HIGH.value,
        cause=cause,
    )
