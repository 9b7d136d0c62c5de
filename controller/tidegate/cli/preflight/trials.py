"""Read-only calls by which each IAM action is tried: about a repository, image or signature that need not exist.

IAM decides before a service looks for what is asked for, so that "not found" proves that the action is allowed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tidegate.aws.clients import AnsweredError, Clients
from tidegate.aws.errors import INVALID_CODES
from tidegate.aws.permissions import Permission
from tidegate.cli.preflight.requirements import Subject, registry_of_profile
from tidegate.images.manifest import ACCEPTED_TYPES

NO_DIGEST: Final = "sha256:" + "0" * 64
_IMAGE: Final = {"imageDigest": NO_DIGEST}
_AN_ANSWER: Final = INVALID_CODES | {
    "ImageNotFoundException",
    "InvalidLayerException",
    "LayerInaccessibleException",
    "LayersNotFoundException",
    "LifecyclePolicyNotFoundException",
    "PullThroughCacheRuleNotFoundException",
    "RegistryPolicyNotFoundException",
    "RepositoryNotFoundException",
    "RepositoryPolicyNotFoundException",
    "ScanNotFoundException",
    "SigningConfigurationNotFoundException",
    "UnsupportedImageTypeException",
}
"""Codes of services that have authorized the call."""

_ABOUT_IMAGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "DescribeImages": {"imageIds": [_IMAGE]},
    "BatchGetImage": {"imageIds": [_IMAGE], "acceptedMediaTypes": list(ACCEPTED_TYPES)},
    "DescribeImageScanFindings": {"imageId": _IMAGE},
    "ListImageReferrers": {"subjectId": _IMAGE},
    "GetDownloadUrlForLayer": {"layerDigest": NO_DIGEST},
    "DescribeImageSigningStatus": {"imageId": _IMAGE},
    "GetRepositoryPolicy": {},
    "GetLifecyclePolicy": {},
}
_ABOUT_REGISTRIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "GetRegistryScanningConfiguration": {},
    "GetRegistryPolicy": {},
    "GetAccountSetting": {"name": "REGISTRY_POLICY_SCOPE"},
    "DescribeRegistry": {},
    "GetSigningConfiguration": {},
    "ListCoverage": {"maxResults": 1},
    "ListFindings": {"maxResults": 1},
}


def try_call(clients: Clients, permission: Permission, subject: Subject) -> Mapping[str, Any]:
    """Make the call of a permission about a registry; return the answer, empty if there is nothing to answer.

    Raise SourceUnavailableError if the call is denied or fails, and UnknownRegionError.
    """
    parameters = _parameters(permission.api.operation, subject)
    try:
        return clients.call(permission.api, subject.registry, parameters, answers=_AN_ANSWER)
    except AnsweredError:
        return {}


def try_profile(clients: Clients, permission: Permission, profile: str) -> None:
    """Ask AWS Signer about a signature that was never made with a profile. Raises as ``try_call``."""
    registry = registry_of_profile(profile)
    base = f"arn:{registry.partition}:signer:{registry.region}:{registry.account}:"
    parts = profile.removeprefix(f"{base}/signing-profiles/").split("/")
    parameters = {
        "signatureTimestamp": datetime.now(UTC),
        "platformId": "Notation-OCI-SHA384-ECDSA",
        "profileVersionArn": f"{base}/signing-profiles/{parts[0]}/{'0' * 10 if len(parts) == 1 else parts[1]}",
        "jobArn": f"{base}/signing-jobs/00000000-0000-0000-0000-000000000000",
        "certificateHashes": ["0" * 192],
    }
    try:
        clients.call(permission.api, registry, parameters, answers=_AN_ANSWER)
    except AnsweredError:
        return


def _parameters(operation: str, subject: Subject) -> Mapping[str, Any]:
    account = subject.registry.account
    if operation in _ABOUT_IMAGES:
        return {"registryId": account, "repositoryName": subject.repository, **_ABOUT_IMAGES[operation]}
    if operation == "DescribeRepositories":
        return {"registryId": account, "repositoryNames": [subject.repository]}
    if operation == "BatchGetRepositoryScanningConfiguration":
        return {"repositoryNames": [subject.repository]}
    if operation == "DescribePullThroughCacheRules":
        return {"registryId": account, "maxResults": 1}
    if operation == "BatchGetAccountStatus":
        return {"accountIds": [account]}
    return _ABOUT_REGISTRIES[operation]
