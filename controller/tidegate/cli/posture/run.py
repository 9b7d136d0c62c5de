"""One run of ``tidegate posture``: builds the clients, reads what is asked for, and judges it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from tidegate.app.engine import aws_settings
from tidegate.aws.clients import Clients
from tidegate.aws.ecr_configuration import EcrConfiguration
from tidegate.aws.identity import Identity
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.documents import read_policies
from tidegate.cli.posture.reading import THREADS, DeadlineGate, PostureReader
from tidegate.cli.posture.scope import Scope, every_registry, running_in, scope_of, scope_of_running
from tidegate.cli.progress import show_progress
from tidegate.errors import ConfigurationError
from tidegate.gather.account_pace import AccountPace, by_api
from tidegate.images.repository import EcrRepository
from tidegate.policy.model import ImagePolicy
from tidegate.posture.result import PostureSeverity
from tidegate.reports.model import Inventory
from tidegate.reports.posture_judging import RepositoryJudge, RunningDigests
from tidegate.reports.posture_lines import PostureReport, RegistryLines, RepositoryLines
from tidegate.settings import Settings

ATTEMPTS: Final = 6
"""Attempts of one call. The SDK waits longer before each of them, so that a registry that throttles is read in the end."""
READ_TIMEOUT_SECONDS: Final = 10.0


class PostureRun:
    """``deadline`` is in monotonic seconds. Raise ArgumentError for policies without a section ``repository``."""

    def __init__(
        self,
        settings: Settings,
        policy_files: tuple[Path, ...],
        inventory: Inventory | None,
        *,
        least: PostureSeverity,
        deadline: float,
    ) -> None:
        if inventory is not None and inventory.unreadable:
            first = inventory.unreadable[0]
            raise ArgumentError(
                f"{len(inventory.unreadable)} ImageVerdict objects are not valid, for example {first.name} "
                f"({first.problem}), so it is not known what runs; save them again with kubectl get imageverdicts -o yaml"
            )
        self._least = least
        self._policies = _policies(policy_files)
        self._knows_running = inventory is not None
        self._running: dict[EcrRepository, RunningDigests] = {} if inventory is None else running_in(inventory)
        # A thread waits for as long as all threads before it take: the deadline is looked at after that.
        rate = settings.aws.rate_per_second
        gate = AccountPace(DeadlineGate(deadline), per_second=rate, key=by_api, most_seconds=THREADS / rate + 1)
        patient = replace(aws_settings(settings.aws), attempts=ATTEMPTS, read_timeout_seconds=READ_TIMEOUT_SECONDS)
        self._clients = Clients(patient, gate=gate)
        self._identity = Identity(self._clients)

    def scope(self, arguments: Sequence[str]) -> Scope:
        """Return what the arguments name; without any, the repositories of which something runs."""
        return scope_of(arguments) if arguments else scope_of_running(self._running)

    def everything(self, regions: Sequence[str]) -> Scope:
        """Return the registries of all accounts that the settings name, and of the caller's.

        Raise ConfigurationError without a region, and SourceUnavailableError if STS does not name the caller's account.
        """
        chosen = regions or tuple(filter(None, (self._clients.home_region,)))
        if not chosen:
            raise ConfigurationError("no region: use --region, set aws.region, or AWS_REGION in the environment")
        named = [each.account for each in self._clients.settings.accounts]
        return every_registry([self._identity.account(), *named], chosen)

    def report(self, scope: Scope, *, now: datetime) -> PostureReport:
        """Return the report on a scope."""
        judge = RepositoryJudge(policies=self._policies, least=self._least, knows_running=self._knows_running, now=now)
        with show_progress() as begin:
            reader = PostureReader[RepositoryLines](
                EcrConfiguration(self._clients, self._identity),
                running=self._running,
                assess=judge.judge,
                begin=begin,
            )
            read = reader.read(scope)
        registries = [
            RegistryLines(
                registry=one.registry,
                repositories=one.repositories,
                problem="" if one.problem is None else str(one.problem),
            )
            for one in read
        ]
        return PostureReport(registries=tuple(registries))


def _policies(files: tuple[Path, ...]) -> tuple[ImagePolicy, ...]:
    """Return the policies that demand something of repositories."""
    if not files:
        return ()
    read = [one for one in read_policies(files).policies if isinstance(one, ImagePolicy)]
    found = tuple(one for one in read if one.repository is not None)
    if not found:
        named = ", ".join(map(str, files))
        raise ArgumentError(
            f"no ImagePolicy in {named} has a section repository; omit --policy to use the default rules"
        )
    return found
