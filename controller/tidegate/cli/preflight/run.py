"""Runs the chosen checks: finds the policies, then asks AWS and the API server."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tidegate.app.engine import aws_settings
from tidegate.aws.clients import Clients
from tidegate.aws.identity import SOURCE, Identity
from tidegate.aws.permissions import Need, iam_policy
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.documents import read_documents
from tidegate.cli.options import settings_of
from tidegate.cli.preflight.aws_checks import AwsChecks, clock_rows, identity_rows
from tidegate.cli.preflight.calls import Calls
from tidegate.cli.preflight.cluster_checks import IMAGE, Cluster, policies_of, policy_rows, webhook_row
from tidegate.cli.preflight.event_checks import event_rows
from tidegate.cli.preflight.requirements import needs_of, requirements_of
from tidegate.cli.preflight.row import PreflightCheck, Row, State
from tidegate.errors import ConfigurationError, Error
from tidegate.policy.model import BrokenPolicy

_OF_AWS: Final = frozenset(PreflightCheck) - {PreflightCheck.POLICIES, PreflightCheck.WEBHOOK}
_OF_POLICIES: Final = frozenset(PreflightCheck) - {
    PreflightCheck.IDENTITY,
    PreflightCheck.CLOCK,
    PreflightCheck.WEBHOOK,
}


class Run:
    """One run of the command. ``deadline`` is in monotonic seconds."""

    def __init__(self, policy_files: tuple[Path, ...], config: Path | None, deadline: float) -> None:
        self._files = policy_files
        self._settings = settings_of(config)
        self._deadline = deadline

    def rows(
        self, chosen: frozenset[PreflightCheck], namespace: str, image: str | None, *, explicit: bool
    ) -> Iterator[Row]:
        """Give the results of the chosen checks. Without a cluster, the webhook is checked only on explicit demand."""
        objects: Sequence[Mapping[str, Any]] = ()
        cluster, problem = (
            self._cluster() if PreflightCheck.WEBHOOK in chosen or self._needs_list(chosen) else (None, "")
        )
        try:
            if chosen & _OF_POLICIES:
                objects, rows = self._policies(cluster, problem)
                yield from (
                    rows if PreflightCheck.POLICIES in chosen else [row for row in rows if row.state is State.UNKNOWN]
                )
            if chosen & _OF_AWS:
                yield from self._aws_rows(chosen, objects)
            if PreflightCheck.WEBHOOK in chosen and (cluster is not None or explicit):
                yield _webhook(cluster, problem, namespace, image)
        finally:
            if cluster is not None:
                cluster.close()

    def iam_policy(self) -> Mapping[str, Any]:
        """Return the IAM policy for the policies in use; raise Error if these or the caller are not known."""
        objects = self._of_files() if self._files else self._of_cluster()
        policies = policies_of(objects)
        if broken := [one.name for one in policies if isinstance(one, BrokenPolicy)]:
            raise ArgumentError(f"invalid policies: {', '.join(broken)}; correct them, see --only policies")
        settings = aws_settings(self._settings.aws)
        identity = Identity(Clients(settings))
        roles = tuple(each.role_arn for each in settings.accounts if each.role_arn is not None)
        partition = identity.caller_arn().split(":")[1]
        needs = needs_of(policies, settings) | self._needs_of_settings()
        queue = "" if settings.event_queue is None else settings.event_queue.arn
        return iam_policy(needs, account=identity.account(), partition=partition, roles=roles, queue=queue)

    def _needs_of_settings(self) -> frozenset[Need]:
        """Return what the background role needs beside what the policies do."""
        return frozenset({Need.REPOSITORY} if self._settings.background.repository_postures else ())

    def _needs_list(self, chosen: frozenset[PreflightCheck]) -> bool:
        return not self._files and bool(chosen & _OF_POLICIES)

    def _cluster(self) -> tuple[Cluster | None, str]:
        try:
            return Cluster(self._deadline), ""
        except ConfigurationError as problem:
            return None, str(problem)

    def _policies(self, cluster: Cluster | None, problem: str) -> tuple[Sequence[Mapping[str, Any]], list[Row]]:
        if self._files:
            found = self._of_files()
            return found, list(policy_rows(found, in_cluster=False))
        try:
            if cluster is not None:
                found = cluster.policies()
                return found, list(policy_rows(found, in_cluster=True))
        except Error as error:
            problem = str(error)
        fix = "set KUBECONFIG, or name the policies with --policy FILE"
        row = Row(check=PreflightCheck.POLICIES, subject="ImagePolicy", state=State.UNKNOWN, found=problem, fix=fix)
        return (), [row]

    def _of_files(self) -> Sequence[Mapping[str, Any]]:
        return [one for file in self._files for one in read_documents(file) if one["kind"] == "ImagePolicy"]

    def _of_cluster(self) -> Sequence[Mapping[str, Any]]:
        cluster, problem = self._cluster()
        if cluster is None:
            raise ConfigurationError(problem)
        try:
            return cluster.policies()
        finally:
            cluster.close()

    def _aws_rows(self, chosen: frozenset[PreflightCheck], objects: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
        clients = Clients(aws_settings(self._settings.aws))
        identity, calls = Identity(clients), Calls(self._deadline)
        try:
            calls.begin(SOURCE, identity.caller_arn)
            known = not isinstance(calls.outcome(SOURCE), Error)
            wanted = requirements_of(
                policies_of(objects),
                clients.settings,
                account=identity.account() if known else None,
                region=clients.home_region,
            )
            wanted = replace(wanted, needs=wanted.needs | self._needs_of_settings())
            checks = AwsChecks(clients, identity, calls, wanted)
            made: dict[PreflightCheck, Callable[[], Iterator[Row]]] = {
                PreflightCheck.IDENTITY: lambda: identity_rows(clients, identity, calls),
                PreflightCheck.CLOCK: lambda: clock_rows(clients, calls),
                PreflightCheck.ENDPOINTS: checks.endpoints,
                PreflightCheck.PERMISSIONS: checks.permissions,
                PreflightCheck.SCAN_TYPE: checks.scan_types,
                PreflightCheck.INSPECTOR: checks.inspector,
                PreflightCheck.EVENTS: lambda: event_rows(clients, calls),
            }
            for check, make in made.items():
                if check in chosen:
                    yield from make()
        finally:
            calls.close()


def _webhook(cluster: Cluster | None, problem: str, namespace: str, image: str | None) -> Row:
    if cluster is None:
        fix = "set KUBECONFIG"
        return Row(check=PreflightCheck.WEBHOOK, subject="API server", state=State.UNKNOWN, found=problem, fix=fix)
    return webhook_row(cluster, namespace, image or IMAGE)
