"""How ECR words scan results: DescribeImageScanFindings of basic and of enhanced scanning.

Under enhanced scanning a reader in another account gets ScanNotFoundException even where the repository policy lets
it in, and no page has more than 100 findings; both as AWS does it.
"""

from collections import Counter
from functools import partial
from typing import Any

from tests.simulator.registry import Image
from tests.simulator.scans import Finding, Package, ScanState
from tests.simulator.wire import AwsError, page, without_nones

MOST_ENHANCED_FINDINGS = 100

_ENHANCED_STATUS = {
    "SUCCESSFUL": "ACTIVE",
    "PENDING_INITIAL_SCAN": "PENDING",
    "PENDING_REVIVAL_SCAN": "PENDING",
    "SCAN_IN_PROGRESS": "IN_PROGRESS",
    "SCAN_FREQUENCY_SCAN_ON_PUSH": "COMPLETE",
    "SCAN_ELIGIBILITY_EXPIRED": "SCAN_ELIGIBILITY_EXPIRED",
    "UNSUPPORTED_OS": "UNSUPPORTED_IMAGE",
    "UNSUPPORTED_MEDIA_TYPE": "UNSUPPORTED_IMAGE",
    "UNSUPPORTED_CONFIG_FILE": "UNSUPPORTED_IMAGE",
    "IMAGE_SIZE_EXCEEDED": "IMAGE_SIZE_EXCEEDED",
    "IMAGE_ARCHIVED": "IMAGE_ARCHIVED",
    "INTERNAL_ERROR": "FAILED",
}


def findings(image: Image, payload: dict[str, Any], scan_type: str, now: float, *, foreign: bool) -> dict[str, Any]:
    """Answer DescribeImageScanFindings; `foreign` says that the caller is of another account."""
    state = image.scan(now)
    if scan_type == "ENHANCED":
        if foreign or state.coverage is None:
            raise _not_found(image)
        return _head(image, payload) | _enhanced(image, state, payload)
    if state.basic is None:
        raise _not_found(image)
    return _head(image, payload) | _basic(state, payload)


def _not_found(image: Image) -> AwsError:
    name = f"{{imageDigest:'{image.digest}'}}"
    where = f"the repository with name '{image.repository.name}' in the registry with id '{image.repository.account}'"
    return AwsError("ScanNotFoundException", f"Image scan does not exist for the image with imageId {name} in {where}")


def _head(image: Image, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "registryId": image.repository.account,
        "repositoryName": image.repository.name,
        "imageId": without_nones(imageDigest=image.digest, imageTag=payload["imageId"].get("imageTag")),
    }


def _enhanced(image: Image, state: ScanState, payload: dict[str, Any]) -> dict[str, Any]:
    assert state.coverage is not None
    shown = [each for each in state.visible_findings() if each.status == "ACTIVE"]
    asked = payload | {"maxResults": min(payload.get("maxResults", 100), MOST_ENHANCED_FINDINGS)}
    part, token = page(shown, asked, default=100, most=1000, invalid=partial(AwsError, "InvalidParameterException"))
    status = _ENHANCED_STATUS.get(state.coverage.reason, "FINDINGS_UNAVAILABLE")
    return without_nones(
        imageScanStatus={"status": status, "description": "Continuous scan is selected for image."},
        imageScanFindings=without_nones(
            imageScanCompletedAt=state.coverage.last_scanned_at,
            findingSeverityCounts=dict(Counter(each.severity for each in shown)),
            enhancedFindings=[_enhanced_finding(image, each) for each in part],
        ),
        nextToken=token,
    )


def _enhanced_finding(image: Image, finding: Finding) -> dict[str, Any]:
    account = image.repository.account
    return without_nones(
        awsAccountId=account,
        description=finding.description or f"{finding.id} in {finding.packages[0].name}",
        firstObservedAt=finding.first_observed_at,
        lastObservedAt=finding.last_observed_at,
        packageVulnerabilityDetails={
            "source": "NVD",
            "vulnerabilityId": finding.id,
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
        },
        resources=[
            {
                "details": {
                    "awsEcrContainerImage": {
                        "architecture": image.manifest.architecture,
                        "imageHash": image.digest,
                        "imageTags": list(image.tags),
                        "pushedAt": image.pushed_at,
                        "registry": account,
                        "repositoryName": image.repository.name,
                    }
                },
                "id": image.arn,
                "type": "AWS_ECR_CONTAINER_IMAGE",
            }
        ],
        score=finding.score,
        severity=finding.severity,
        status=finding.status,
        title=finding.title or f"{finding.id} - {finding.packages[0].name}",
        type=finding.type,
        fixAvailable=finding.fix_available,
        exploitAvailable="YES" if finding.exploit else "NO",
    )


SCANNED = "The scan was completed successfully."


def _basic(state: ScanState, payload: dict[str, Any]) -> dict[str, Any]:
    assert state.basic is not None
    part, token = page(
        list(state.findings), payload, default=100, most=1000, invalid=partial(AwsError, "InvalidParameterException")
    )
    done = state.basic.status in ("COMPLETE", "ACTIVE")
    counts = Counter(_basic_severity(each) for each in state.findings)
    found = without_nones(
        imageScanCompletedAt=state.basic.completed_at,
        findingSeverityCounts=dict(counts),
        findings=[_basic_finding(each) for each in part],
    )
    return without_nones(
        imageScanStatus={
            "status": state.basic.status,
            "description": state.basic.description or (SCANNED if done else ""),
        },
        imageScanFindings=found if done else None,
        nextToken=token,
    )


def _basic_finding(finding: Finding) -> dict[str, Any]:
    package: Package = finding.packages[0]
    attributes = {"package_name": package.name, "package_version": package.installed}
    if package.fixed is not None:
        attributes["fixed_in_version"] = package.fixed
    return {
        "name": finding.id,
        "description": finding.description or f"{finding.id} in {package.name}",
        "uri": f"https://security-tracker.debian.org/tracker/{finding.id}",
        "severity": _basic_severity(finding),
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }


def _basic_severity(finding: Finding) -> str:
    return "UNDEFINED" if finding.severity == "UNTRIAGED" else finding.severity
