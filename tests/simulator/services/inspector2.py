"""Inspector2: coverage and findings of ECR images, with Inspector's own filter rules.

The values of one filter are alternatives (with NOT_EQUALS: none may be equal), the filters all have to hold, and no
filter takes more than 10 values. A caller sees its own account, and its members as their delegated administrator.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import botocore.session

from tests.simulator.registry import Image, Repository
from tests.simulator.scans import SEVERITIES, Coverage, Finding
from tests.simulator.service import Request, Service
from tests.simulator.wire import AwsError, RestJson, page, without_nones

MOST_FILTER_VALUES = 10
_DEFAULT_FINDINGS = 25
_PAST_MAXIMUM = 1e18

Values = Iterable[str | float]
Row = tuple[Image, Finding]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, reason="FIELD_VALIDATION_FAILED")


@cache
def _known_filters(operation: str) -> frozenset[str]:
    model: Any = botocore.session.Session().get_service_model("inspector2").operation_model(operation)
    return frozenset(model.input_shape.members["filterCriteria"].members)


def _criteria(request: Request) -> dict[str, list[dict[str, Any]]]:
    criteria: dict[str, list[dict[str, Any]]] = request.payload.get("filterCriteria", {})
    for name, values in criteria.items():
        if name not in _known_filters(request.operation):
            raise _invalid(f"filterCriteria has no member {name!r}")
        if not 1 <= len(values) <= MOST_FILTER_VALUES:
            raise _invalid(f"filterCriteria.{name} has {len(values)} values, 1 to {MOST_FILTER_VALUES} are allowed")
    return criteria


def _holds(filters: list[dict[str, Any]], values: Values) -> bool:
    """Say whether a filter's alternatives hold of a property that may have several values (as tags do)."""
    have = list(values)
    wanted = [each for each in filters if each.get("comparison") != "NOT_EQUALS"]
    unwanted = {each["value"] for each in filters if each.get("comparison") == "NOT_EQUALS"}
    if unwanted.intersection(have):
        return False
    return not wanted or any(_matches(each, value) for each in wanted for value in have)


def _matches(one: dict[str, Any], value: str | float) -> bool:
    if one.get("comparison") == "EQUALS":
        return bool(value == one["value"])
    if one.get("comparison") == "PREFIX":
        return str(value).startswith(one["value"])
    if isinstance(value, str):
        return False
    least = one.get("lowerInclusive", one.get("startInclusive", -_PAST_MAXIMUM))
    most = one.get("upperInclusive", one.get("endInclusive", _PAST_MAXIMUM))
    return bool(least <= value <= most)


def _optional(value: str | float | None) -> Values:
    return () if value is None else (value,)


_FINDING_VALUES: dict[str, Callable[[Image, Finding], Values]] = {
    "findingArn": lambda image, finding: (_arn(image, finding),),
    "awsAccountId": lambda image, _: (image.repository.account,),
    "findingType": lambda _, finding: (finding.type,),
    "severity": lambda _, finding: (finding.severity,),
    "findingStatus": lambda _, finding: (finding.status,),
    "firstObservedAt": lambda _, finding: (finding.first_observed_at,),
    "lastObservedAt": lambda _, finding: (finding.last_observed_at,),
    "updatedAt": lambda _, finding: (finding.updated_at,),
    "title": lambda _, finding: (_title(finding),),
    "inspectorScore": lambda _, finding: _optional(finding.score),
    "epssScore": lambda _, finding: _optional(finding.epss),
    "fixAvailable": lambda _, finding: (finding.fix_available,),
    "exploitAvailable": lambda _, finding: ("YES" if finding.exploit else "NO",),
    "vulnerabilityId": lambda _, finding: (finding.id,),
    "vulnerabilitySource": lambda _, __: ("NVD",),
    "resourceType": lambda _, __: ("AWS_ECR_CONTAINER_IMAGE",),
    "resourceId": lambda image, _: (image.arn,),
    "ecrImageHash": lambda image, _: (image.digest,),
    "ecrImageRepositoryName": lambda image, _: (image.repository.name,),
    "ecrImageRegistry": lambda image, _: (image.repository.account,),
    "ecrImageTags": lambda image, _: tuple(image.tags),
    "ecrImageArchitecture": lambda image, _: (image.manifest.architecture,),
    "ecrImagePushedAt": lambda image, _: (image.pushed_at,),
    "ecrImageInUseCount": lambda image, _: (float(image.in_use),),
    "cloudProvider": lambda _, __: ("AWS",),
}


def _list_findings(request: Request) -> dict[str, Any]:
    criteria, now = _criteria(request), request.world.clock.now()
    packages = criteria.pop("vulnerablePackages", None)
    rows = [
        (image, finding)
        for image in _candidates(request, criteria)
        for finding in image.scan(now).visible_findings()
        if _all_hold(criteria, _FINDING_VALUES, image, finding) and _packages_hold(packages, finding)
    ]
    _sort(rows, request.payload.get("sortCriteria"))
    shown, token = page(rows, request.payload, default=_DEFAULT_FINDINGS, most=100, invalid=_invalid)
    return without_nones(findings=[_finding(image, finding) for image, finding in shown], nextToken=token)


def _all_hold(criteria: dict[str, Any], values: dict[str, Callable[..., Values]], *row: Any) -> bool:
    return all(_holds(wanted, values[name](*row) if name in values else ()) for name, wanted in criteria.items())


def _packages_hold(filters: list[dict[str, Any]] | None, finding: Finding) -> bool:
    """Apply `vulnerablePackages`: one alternative must hold in all its members for one package."""
    if filters is None:
        return True
    values: dict[str, Callable[..., Values]] = {
        "name": lambda package: (package.name,),
        "version": lambda package: (package.installed,),
        "filePath": lambda package: _optional(package.path),
    }
    wanted = [{name: [value] for name, value in each.items()} for each in filters]
    return any(_all_hold(each, values, package) for each in wanted for package in finding.packages)


def _visible(request: Request) -> frozenset[str]:
    account = request.world.accounts[request.caller.account]
    if account.inspector != "ENABLED":
        message = f"Invoking account does not have access to {request.operation}."
        raise AwsError("AccessDeniedException", message, 403)
    return account.members | {account.id}


def _candidates(request: Request, criteria: dict[str, Any]) -> Iterator[Image]:
    """Give the images that a filter by digest or resource leaves, by index, or else all of them."""
    accounts, world = _visible(request), request.world
    hashes, resources = _exactly(criteria.get("ecrImageHash")), _exactly(criteria.get("resourceId"))
    if hashes is not None:
        found = [image for each in hashes for image in world.images_by_digest(request.region, each)]
    elif resources is not None:
        found = [image for each in resources if (image := world.image_by_arn(each)) is not None]
    else:
        found = [image for repository in _repositories(request, accounts) for image in repository.images.values()]
    return (
        image for image in found if image.repository.account in accounts and image.repository.region == request.region
    )


def _repositories(request: Request, accounts: frozenset[str]) -> list[Repository]:
    registries = request.world.registries(region=request.region, accounts=accounts)
    return [
        each for registry in registries if registry.scan_type == "ENHANCED" for each in registry.repositories.values()
    ]


def _exactly(filters: list[dict[str, Any]] | None) -> list[str] | None:
    if filters is None or any(each.get("comparison") != "EQUALS" for each in filters):
        return None
    return list(dict.fromkeys(each["value"] for each in filters))


_SORT_KEYS: dict[str, Callable[[Row], Any]] = {
    "SEVERITY": lambda row: -SEVERITIES.index(row[1].severity),
    "EPSS_SCORE": lambda row: row[1].epss or 0.0,
    "INSPECTOR_SCORE": lambda row: row[1].score or 0.0,
    "FIRST_OBSERVED_AT": lambda row: row[1].first_observed_at,
    "LAST_OBSERVED_AT": lambda row: row[1].last_observed_at,
    "VULNERABILITY_ID": lambda row: row[1].id,
    "FINDING_STATUS": lambda row: row[1].status,
    "ECR_IMAGE_REPOSITORY_NAME": lambda row: row[0].repository.name,
    "ECR_IMAGE_PUSHED_AT": lambda row: row[0].pushed_at,
}


def _sort(rows: list[Row], wanted: dict[str, str] | None) -> None:
    if wanted is None:
        return
    key = _SORT_KEYS.get(wanted["field"])
    if key is None:
        raise _invalid(f"sortCriteria.field {wanted['field']!r} is not simulated")
    rows.sort(key=key, reverse=wanted["sortOrder"] == "DESC")


def _arn(image: Image, finding: Finding) -> str:
    name = hashlib.sha256(f"{image.arn} {finding.id}".encode()).hexdigest()[:32]
    return f"arn:aws:inspector2:{image.repository.region}:{image.repository.account}:finding/{name}"


def _title(finding: Finding) -> str:
    return finding.title or f"{finding.id} - {finding.packages[0].name}"


def _finding(image: Image, finding: Finding) -> dict[str, Any]:
    return without_nones(
        findingArn=_arn(image, finding),
        awsAccountId=image.repository.account,
        type=finding.type,
        severity=finding.severity,
        status=finding.status,
        title=_title(finding),
        description=finding.description or f"{finding.id} in {finding.packages[0].name}",
        remediation={"recommendation": {"text": "None Provided"}},
        firstObservedAt=finding.first_observed_at,
        lastObservedAt=finding.last_observed_at,
        updatedAt=finding.updated_at,
        inspectorScore=finding.score,
        fixAvailable=finding.fix_available,
        exploitAvailable="YES" if finding.exploit else "NO",
        exploitabilityDetails={"lastKnownExploitAt": finding.last_observed_at} if finding.exploit else None,
        epss=None if finding.epss is None else {"score": finding.epss},
        packageVulnerabilityDetails=_vulnerability(finding),
        resources=[_resource(image)],
    )


def _vulnerability(finding: Finding) -> dict[str, Any]:
    return {
        "vulnerabilityId": finding.id,
        "source": "NVD",
        "sourceUrl": f"https://nvd.nist.gov/vuln/detail/{finding.id}",
        "vendorSeverity": finding.severity,
        "cvss": [],
        "relatedVulnerabilities": [],
        "vulnerablePackages": [
            without_nones(
                name=each.name,
                version=each.installed,
                packageManager=each.manager,
                filePath=each.path,
                fixedInVersion=each.fixed or "NotAvailable",
            )
            for each in finding.packages
        ],
    }


def _resource(image: Image) -> dict[str, Any]:
    details = {
        "repositoryName": image.repository.name,
        "imageHash": image.digest,
        "registry": image.repository.account,
        "imageTags": list(image.tags),
        "architecture": image.manifest.architecture,
        "pushedAt": image.pushed_at,
        "inUseCount": image.in_use,
    }
    return {
        "type": "AWS_ECR_CONTAINER_IMAGE",
        "id": image.arn,
        "partition": "aws",
        "region": image.repository.region,
        "details": {"awsEcrContainerImage": details},
    }


_COVERAGE_VALUES: dict[str, Callable[[Repository, Image | None, Coverage], Values]] = {
    "accountId": lambda repository, _, __: (repository.account,),
    "resourceId": lambda repository, image, _: (image.arn if image else repository.arn,),
    "resourceType": lambda _, image, __: ("AWS_ECR_CONTAINER_IMAGE" if image else "AWS_ECR_REPOSITORY",),
    "scanType": lambda _, __, ___: ("PACKAGE",),
    "scanStatusCode": lambda _, __, row: (row.status,),
    "scanStatusReason": lambda _, __, row: (row.reason,),
    "ecrRepositoryName": lambda repository, _, __: (repository.name,),
    "ecrImageTags": lambda _, image, __: tuple(image.tags) if image else (),
    "lastScannedAt": lambda _, __, row: _optional(row.last_scanned_at),
    "imagePulledAt": lambda _, image, __: _optional(image.pulled_at if image else None),
    "ecrImageInUseCount": lambda _, image, __: _optional(image.in_use if image else None),
    "cloudProvider": lambda _, __, ___: ("AWS",),
}


def _list_coverage(request: Request) -> dict[str, Any]:
    criteria, now = _criteria(request), request.world.clock.now()
    rows = [
        (image.repository, image, row)
        for image in _candidates(request, criteria)
        if (row := image.coverage(now)) is not None
    ]
    listed: list[tuple[Repository, Image | None, Coverage]] = [*_repository_rows(request), *rows]
    kept = [row for row in listed if _all_hold(criteria, _COVERAGE_VALUES, *row)]
    shown, token = page(kept, request.payload, default=200, most=200, invalid=_invalid)
    return without_nones(coveredResources=[_covered(request, *row) for row in shown], nextToken=token)


def _repository_rows(request: Request) -> Iterator[tuple[Repository, None, Coverage]]:
    for repository in _repositories(request, _visible(request)):
        frequency = _frequency(request, repository)
        if frequency == "MANUAL":
            yield repository, None, Coverage(status="INACTIVE", reason="SCAN_FREQUENCY_MANUAL")
        else:
            yield repository, None, Coverage()


def _frequency(request: Request, repository: Repository) -> str:
    registry = request.world.registry(account=repository.account, region=repository.region)
    return registry.frequency(repository.name)[0]


def _covered(request: Request, repository: Repository, image: Image | None, row: Coverage) -> dict[str, Any]:
    if image is None:
        metadata = {"ecrRepository": {"name": repository.name, "scanFrequency": _frequency(request, repository)}}
    else:
        details = without_nones(tags=list(image.tags), imagePulledAt=image.pulled_at, inUseCount=image.in_use)
        metadata = {"ecrImage": details}
    return without_nones(
        resourceType="AWS_ECR_REPOSITORY" if image is None else "AWS_ECR_CONTAINER_IMAGE",
        resourceId=repository.arn if image is None else image.arn,
        accountId=repository.account,
        scanType="PACKAGE",
        scanStatus={"statusCode": row.status, "reason": row.reason},
        resourceMetadata=metadata,
        lastScannedAt=row.last_scanned_at,
    )


def _batch_get_account_status(request: Request) -> dict[str, Any]:
    own = request.world.accounts[request.caller.account]
    accounts, failed = [], []
    for account in request.payload.get("accountIds") or [own.id]:
        if account == own.id or account in own.members:
            accounts.append(_account_status(account, request.world.accounts[account].inspector))
        else:
            failed.append({"accountId": account, "errorCode": "ACCESS_DENIED", "errorMessage": "not a member account"})
    return {"accounts": accounts, "failedAccounts": failed}


def _account_status(account: str, status: str) -> dict[str, Any]:
    # The model calls the error members required, but AWS leaves them out where nothing is wrong.
    state = {"status": status}
    return {
        "accountId": account,
        "state": state,
        "resourceState": {"ec2": {"status": "DISABLED"}, "ecr": state, "lambda": {"status": "DISABLED"}},
    }


def _ids(payload: dict[str, Any]) -> int:
    criteria = payload.get("filterCriteria", {})
    return len(criteria.get("ecrImageHash") or criteria.get("resourceId") or payload.get("accountIds") or ())


SERVICE = Service(
    name="inspector2",
    wire=RestJson(
        routes={
            ("POST", "/coverage/list"): "ListCoverage",
            ("POST", "/findings/list"): "ListFindings",
            ("POST", "/status/batch/get"): "BatchGetAccountStatus",
        }
    ),
    operations={
        "BatchGetAccountStatus": _batch_get_account_status,
        "ListCoverage": _list_coverage,
        "ListFindings": _list_findings,
    },
    errors={
        "throttle": AwsError("ThrottlingException", "Rate exceeded", 429, retryAfterSeconds=1),
        "server_error": AwsError("InternalServerException", "Internal server error", 500),
        "access_denied": AwsError("AccessDeniedException", "User is not authorized to perform this action", 403),
        "expired_token": AwsError(
            "ExpiredTokenException", "The security token included in the request is expired", 403
        ),
    },
    ids=_ids,
)
