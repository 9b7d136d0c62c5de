"""The checks of AWS: identity, clock, endpoints, IAM actions, scan types and Amazon Inspector."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from tidegate.aws.accounts import ScannerChoice
from tidegate.aws.clients import Api, Clients
from tidegate.aws.endpoints import contact, layer_bucket_url, server_time
from tidegate.aws.identity import SOURCE, Identity
from tidegate.aws.kms import Kms
from tidegate.aws.permissions import PERMISSIONS, Need, Permission
from tidegate.cli.preflight.calls import Calls
from tidegate.cli.preflight.requirements import Requirements, Subject, registry_of_profile
from tidegate.cli.preflight.row import PreflightCheck, Row, State
from tidegate.cli.preflight.trials import try_call, try_profile
from tidegate.errors import Error
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.images.repository import EcrRegistry
from tidegate.policy.scopes import partition_of

MAX_SKEW_SECONDS: Final = 60.0
"""AWS rejects requests with a time that is five minutes off; scans and grace periods are measured by this clock."""
ACCOUNT_STATUS: Final = Api("inspector2", "BatchGetAccountStatus")
SCANNING: Final = "ecr:GetRegistryScanningConfiguration"
ENHANCED, BASIC = "ENHANCED", "BASIC"
_OF_SCANNER: Final = {
    "ecr:DescribeImageScanFindings": BASIC,
    "inspector2:ListCoverage": ENHANCED,
    "inspector2:ListFindings": ENHANCED,
}
"""Actions that only one scan type needs."""
_OF_CHOICE: Final = {ScannerChoice.INSPECTOR: ENHANCED, ScannerChoice.BASIC: BASIC}
_ENDPOINT: Final = {"ecr": "ecr.api", "inspector2": "inspector2", "signer": "signer", "kms": "kms", "sts": "sts"}
"""The name of each service's VPC endpoint, after ``com.amazonaws.REGION.``."""
_REFUSED: Final = frozenset({Cause.ACCESS_DENIED, Cause.ROLE_DENIED, Cause.CREDENTIALS})
_NOT_SENT: Final = frozenset({Cause.DEADLINE, Cause.ROLE_DENIED, Cause.CREDENTIALS})
"""Causes for which a call may not have reached its own endpoint."""
_NO_CREDENTIALS: Final = (
    "create the EKS Pod Identity association or annotate the ServiceAccount for IRSA, then restart the Pod"
)


class AwsChecks:
    """The checks of AWS for some requirements."""

    def __init__(self, clients: Clients, identity: Identity, calls: Calls, wanted: Requirements) -> None:
        self._clients = clients
        self._identity = identity
        self._calls = calls
        self._wanted = wanted

    def endpoints(self) -> Iterator[Row]:
        """Tell for each service and region whether its endpoint answers, whatever it answers."""
        self._begin_all()
        seen: dict[tuple[str, str], list[object]] = {}
        seen["sts", self._clients.home_region or "?"] = [self._calls.outcome(SOURCE)]
        for permission, subject in self._trials():
            service = permission.api.source.partition(":")[0]
            found = self._calls.outcome((permission.api, subject.registry))
            seen.setdefault((service, subject.registry.region), []).append(found)
        for key, (service, region, _) in self._others().items():
            seen.setdefault((service, region), []).append(self._calls.outcome(key))
        for (service, region), outcomes in seen.items():
            yield _endpoint(service, region, outcomes)
        if Need.SIGNATURES in self._wanted.needs:
            urls = {each.registry.region: layer_bucket_url(each.registry) for each in self._wanted.subjects}
            for region, url in urls.items():
                self._calls.begin(url, partial(contact, self._clients, url))
                yield _endpoint("s3", region, [self._calls.outcome(url)])

    def permissions(self) -> Iterator[Row]:
        """Try each IAM action that the policies need, and name it if it is denied."""
        self._begin_all()
        for permission, subject in self._trials():
            where, action = str(subject.registry), permission.api.source
            outcome = self._calls.outcome((permission.api, subject.registry))
            scanner = _OF_SCANNER.get(action)
            if scanner is not None and self._scan_type(subject) not in {scanner, None}:
                continue
            if action == SCANNING and self._configured(subject):
                continue
            row = _permission(f"{action} in {where}", permission.actions, outcome)
            yield row if subject.own or row.state is not State.FAILED else _foreign(row, subject)
        for key, (_, _, actions) in self._others().items():
            yield _permission(f"{actions[0]} for {key}", actions, self._calls.outcome(key))
        if self._wanted.left_out:
            yield Row(
                check=PreflightCheck.PERMISSIONS,
                subject="more registries",
                state=State.UNKNOWN,
                found=f"{self._wanted.left_out} registries were not tried",
                fix="check them with a --policy FILE that names only these",
            )

    def scan_types(self) -> Iterator[Row]:
        """Tell how each registry scans."""
        for subject in self._with_scans():
            where = str(subject.registry)
            row = partial(Row, check=PreflightCheck.SCAN_TYPE, subject=where)
            if configured := self._configured(subject):
                yield row(state=State.OK, found=f"{configured}, as aws.accounts says; ECR was not asked")
                continue
            outcome = self._calls.outcome((_permission_of(SCANNING).api, subject.registry))
            if isinstance(outcome, Error):
                yield problem_row(PreflightCheck.SCAN_TYPE, where, outcome, actions=(SCANNING,))
                continue
            answered, kind = outcome.get("registryId"), _scan_type(outcome)
            if answered != subject.registry.account:
                yield row(
                    state=State.FAILED,
                    found=f"ECR answered for account {answered}",
                    fix=f"set roleArn or scanner of account {subject.registry.account} in aws.accounts",
                )
            elif kind in {ENHANCED, BASIC}:
                about = "findings of Amazon Inspector" if kind == ENHANCED else "findings of ECR, operating system only"
                yield row(state=State.OK, found=f"{kind}: {about}")
            else:
                yield row(
                    state=State.UNKNOWN,
                    found=f"ECR names no scan type that this version knows: {str(kind)[:40]!a}",
                    fix="set scanner of the account in aws.accounts",
                )

    def inspector(self) -> Iterator[Row]:
        """Tell for each registry with enhanced scanning whether Amazon Inspector scans ECR there."""
        status = _permission_of(ACCOUNT_STATUS.source)
        enhanced = [each for each in self._with_scans() if self._scan_type(each) == ENHANCED]
        for subject in enhanced:
            self._begin(status, subject)
        for subject in enhanced:
            where = str(subject.registry)
            row = partial(Row, check=PreflightCheck.INSPECTOR, subject=where)
            outcome = self._calls.outcome((status.api, subject.registry))
            if isinstance(outcome, Error):
                # Only this command needs the action, so that its absence is no failure.
                problem = problem_row(PreflightCheck.INSPECTOR, where, outcome, actions=status.actions)
                yield replace(problem, state=State.UNKNOWN)
            elif (found := _inspector_state(outcome, subject)) == "ENABLED":
                yield row(state=State.OK, found="scans Amazon ECR")
            else:
                yield row(
                    state=State.FAILED,
                    found=f"scanning of Amazon ECR is {found[:40]!a}",
                    fix=f"run: aws inspector2 enable --resource-types ECR --region {subject.registry.region}",
                )

    def _begin_all(self) -> None:
        self._calls.begin(SOURCE, self._identity.caller_arn)
        for permission, subject in self._trials():
            self._begin(permission, subject)
        signer, kms = _permission_of("signer:GetRevocationStatus"), Kms(self._clients)
        for profile in self._wanted.profiles:
            self._calls.begin(profile, partial(try_profile, self._clients, signer, profile))
        for key in self._wanted.keys:
            self._calls.begin(key, partial(kms.public_key, key))

    def _begin(self, permission: Permission, subject: Subject) -> None:
        call = partial(try_call, self._clients, permission, subject)
        self._calls.begin((permission.api, subject.registry), call)

    def _trials(self) -> Iterator[tuple[Permission, Subject]]:
        """Give each call to try in each registry: without access of their own, one that shows whether it can be read."""
        per_registry = self._wanted.needs & {Need.IMAGES, Need.TAGS, Need.SCANS, Need.SIGNATURES, Need.REPOSITORY}
        for subject in self._wanted.subjects:
            for permission in PERMISSIONS:
                if permission.serves(per_registry) and (subject.own or permission is PERMISSIONS[0]):
                    yield permission, subject

    def _with_scans(self) -> list[Subject]:
        if Need.SCANS not in self._wanted.needs:
            return []
        found = [each for each in self._wanted.subjects if each.own]
        for subject in found:
            if self._configured(subject) is None:
                self._begin(_permission_of(SCANNING), subject)
        return found

    def _scan_type(self, subject: Subject) -> str | None:
        """Return the scan type of a registry, None if it is unknown."""
        if configured := self._configured(subject):
            return configured
        self._begin(_permission_of(SCANNING), subject)
        outcome = self._calls.outcome((_permission_of(SCANNING).api, subject.registry))
        if isinstance(outcome, Error) or outcome.get("registryId") != subject.registry.account:
            return None
        return _scan_type(outcome)

    def _configured(self, subject: Subject) -> str | None:
        """Return the scan type that the settings name for a registry's account, if any."""
        return _OF_CHOICE.get(self._clients.account(subject.registry.account).scanner)

    def _others(self) -> Mapping[str, tuple[str, str, tuple[str, ...]]]:
        """Return the profiles and keys, each with its service, region and actions."""
        signer, kms = (_permission_of(one).actions for one in ("signer:GetRevocationStatus", "kms:GetPublicKey"))
        profiles = {one: ("signer", registry_of_profile(one).region, signer) for one in self._wanted.profiles}
        return profiles | {one: ("kms", one.split(":")[3], kms) for one in self._wanted.keys}


def identity_rows(clients: Clients, identity: Identity, calls: Calls) -> Iterator[Row]:
    """Tell who calls AWS, and the region that calls go to."""
    calls.begin(SOURCE, identity.caller_arn)
    caller = calls.outcome(SOURCE)
    if isinstance(caller, Error):
        yield problem_row(PreflightCheck.IDENTITY, "caller", caller, actions=(SOURCE,))
    else:
        yield Row(
            check=PreflightCheck.IDENTITY,
            subject="caller",
            state=State.OK,
            found=f"{caller}, account {identity.account()}",
        )
    region = clients.home_region
    row = partial(Row, check=PreflightCheck.IDENTITY, subject="region")
    if region is None:
        fix = "set aws.region, or AWS_REGION in the environment"
        yield row(state=State.FAILED, found="no region is set", fix=fix)
        return
    try:
        clients.check_region(EcrRegistry(partition_of(region), "000000000000", region))
    except UnknownRegionError as problem:
        yield row(state=State.FAILED, found=str(problem), fix="correct aws.region")
    else:
        yield row(state=State.OK, found=region)


def clock_rows(clients: Clients, calls: Calls) -> Iterator[Row]:
    """Compare this machine's clock with the one of STS."""
    calls.begin("clock", partial(_skew, clients))
    skew = calls.outcome("clock")
    if isinstance(skew, Error):
        yield problem_row(PreflightCheck.CLOCK, "STS", skew, actions=())
        return
    state = State.OK if abs(skew) <= MAX_SKEW_SECONDS else State.FAILED
    found = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS"
    fix = "" if state is State.OK else "synchronize the node's clock, for example with chrony and 169.254.169.123"
    yield Row(check=PreflightCheck.CLOCK, subject="STS", state=state, found=found, fix=fix)


def _skew(clients: Clients) -> float:
    """Return the seconds by which this machine's clock is ahead of AWS."""
    there = server_time(clients)
    return (datetime.now(UTC) - there).total_seconds()


def _permission_of(action: str) -> Permission:
    return next(each for each in PERMISSIONS if each.api.source == action)


def _scan_type(answer: Mapping[str, Any]) -> str:
    configuration = answer.get("scanningConfiguration")
    return str(configuration.get("scanType", "")) if isinstance(configuration, Mapping) else ""


def _inspector_state(answer: Mapping[str, Any], subject: Subject) -> str:
    for one in answer.get("accounts") or ():
        if one.get("accountId") == subject.registry.account:
            return str(one.get("resourceState", {}).get("ecr", {}).get("status", ""))
    return "not reported for this account"


def _endpoint(service: str, region: str, outcomes: list[object]) -> Row:
    row = partial(Row, check=PreflightCheck.ENDPOINTS, subject=f"{service} in {region}")
    outcomes = [one for one in outcomes if not isinstance(one, UnknownRegionError)]
    errors = [one for one in outcomes if isinstance(one, SourceUnavailableError)]
    lost = [one for one in errors if one.cause is Cause.UNREACHABLE]
    unsent = [one for one in errors if one.cause in _NOT_SENT]
    if len(lost) + len(unsent) < len(outcomes):
        return row(state=State.OK, found="answers")
    if lost:
        name = f"com.amazonaws.{region}.{_ENDPOINT.get(service, service)}"
        fix = f"allow HTTPS to it, or create the VPC endpoint {name} (with private DNS, unless it is a gateway)"
        return row(state=State.FAILED, found=lost[0].detail, fix=fix)
    return row(
        state=State.UNKNOWN,
        found=str(unsent[0]) if unsent else "no call was made",
        fix="correct what the other rows name, then run this again",
    )


def _permission(subject: str, actions: tuple[str, ...], outcome: object) -> Row:
    if isinstance(outcome, Error):
        return problem_row(PreflightCheck.PERMISSIONS, subject, outcome, actions=actions)
    return Row(check=PreflightCheck.PERMISSIONS, subject=subject, state=State.OK, found="allowed")


def _foreign(row: Row, subject: Subject) -> Row:
    account = subject.registry.account
    return replace(
        row,
        state=State.WARNING,
        found=f"{row.found}; policies that need evidence leave the images of this registry undetermined",
        fix=f"add account {account} with a roleArn to aws.accounts, or require nothing but the registry of its images",
    )


def problem_row(check: PreflightCheck, subject: str, error: Error, *, actions: tuple[str, ...]) -> Row:
    """Return the row of a call that failed: FAILED if AWS or a policy's content is wrong, UNKNOWN if there is no answer."""
    if not isinstance(error, SourceUnavailableError):
        fix = "correct the policy" if check is PreflightCheck.PERMISSIONS else "correct aws.region"
        return Row(check=check, subject=subject, state=State.FAILED, found=str(error), fix=fix)
    state = State.FAILED if error.cause in _REFUSED else State.UNKNOWN
    named = " and ".join(actions)
    fixes = {
        Cause.ACCESS_DENIED: f"allow {named} in the IAM policy of the caller; look also at SCPs, permission boundaries and "
        "the policies of VPC endpoints, repositories and keys",
        Cause.ROLE_DENIED: "allow sts:AssumeRole and sts:TagSession in the IAM policy of the caller and in the trust policy"
        " of the role in aws.accounts; check its externalId",
        Cause.CREDENTIALS: _NO_CREDENTIALS,
        Cause.UNREACHABLE: "see the row of this endpoint",
    }
    return Row(
        check=check, subject=subject, state=state, found=str(error), fix=fixes.get(error.cause, "run this again")
    )
