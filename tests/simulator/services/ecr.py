"""ECR: images, manifests, repositories, scan findings and registry settings, as shared by tags and digests.

Reads only. Another account's repository is AccessDenied unless its policy names the caller or the caller has a role
there. A missing image fails DescribeImages as a whole and BatchGetImage for its id alone.
"""

from functools import partial
from typing import Any

from tests.simulator.manifests import translate
from tests.simulator.registry import Image, Repository, tag_filter
from tests.simulator.service import Request, Service
from tests.simulator.services import ecr_configuration, ecr_scans
from tests.simulator.services.ecr_places import INVALID, named, names_of, own_registry, registry_of, repository_of
from tests.simulator.wire import AwsError, Caller, Json11, page, without_nones

MOST_IMAGE_IDS = 100
MOST_REPOSITORY_NAMES = 100


def _find(repository: Repository, image_id: dict[str, str]) -> tuple[Image | None, str]:
    """Find an image by an imageId; without one give the failure code."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        return None, "MissingDigestAndTag"
    by_tag = repository.tags.get(tag) if tag is not None else None
    if digest is not None and tag is not None and by_tag != digest:
        return None, "ImageTagDoesNotMatchDigest" if by_tag and digest in repository.images else "ImageNotFound"
    image = repository.images.get(digest or by_tag or "")
    return image, "" if image else "ImageNotFound"


def _passes(image: Image, wanted: dict[str, str]) -> bool:
    status = wanted.get("imageStatus", "ACTIVE")
    return status in ("ANY", image.status) and tag_filter(image.tags, wanted.get("tagStatus", "ANY"))


def _described(repository: Repository, image_id: dict[str, str], wanted: dict[str, str]) -> Image:
    image, failure = _find(repository, image_id)
    if failure == "MissingDigestAndTag":
        raise AwsError(INVALID, "Invalid parameter at 'imageIds': an image needs a digest or a tag")
    if image is None or not _passes(image, wanted):
        named = ", ".join(f"{key}:'{value}'" for key, value in sorted(image_id.items()))
        where = f"within the repository with name '{repository.name}' in the registry with id '{repository.account}'"
        raise AwsError("ImageNotFoundException", f"The image with imageId {{{named}}} does not exist {where}")
    return image


def _describe_images(request: Request) -> dict[str, Any]:
    repository, payload = repository_of(request), request.payload
    ids, wanted = payload.get("imageIds"), payload.get("filter", {})
    if ids is None:
        images = [image for image in repository.images.values() if _passes(image, wanted)]
        shown, token = page(images, payload, default=100, most=1000, invalid=partial(AwsError, INVALID))
        return without_nones(imageDetails=[_detail(image) for image in shown], nextToken=token)
    _check_ids(ids)
    if "maxResults" in payload or "nextToken" in payload:
        raise AwsError(INVALID, "Invalid parameter: maxResults and nextToken cannot be used with imageIds")
    found = {image.digest: image for image in (_described(repository, each, wanted) for each in ids)}
    # Ordered by digest, because AWS promises no order and callers must not count on that of their ids.
    return {"imageDetails": [_detail(found[digest]) for digest in sorted(found)]}


def _check_ids(ids: list[Any]) -> None:
    if not 1 <= len(ids) <= MOST_IMAGE_IDS:
        raise AwsError(INVALID, f"Invalid parameter at 'imageIds': {len(ids)} members, 1 to {MOST_IMAGE_IDS} allowed")


def _detail(image: Image) -> dict[str, Any]:
    return without_nones(
        registryId=image.repository.account,
        repositoryName=image.repository.name,
        imageDigest=image.digest,
        imageTags=list(image.tags) or None,
        imageSizeInBytes=image.manifest.size,
        imagePushedAt=image.pushed_at,
        imageManifestMediaType=image.manifest.media_type,
        artifactMediaType=image.manifest.artifact_type,
        lastRecordedPullTime=image.pulled_at,
        subjectManifestDigest=image.manifest.subject,
        imageStatus=image.status,
        lastArchivedAt=image.archived_at,
        lastActivatedAt=image.restored_at,
    )


def _batch_get_image(request: Request) -> dict[str, Any]:
    repository, payload = repository_of(request), request.payload
    ids, accepted = payload.get("imageIds", []), payload.get("acceptedMediaTypes", [])
    _check_ids(ids)
    images, failures = [], []
    for image_id in ids:
        image, failure = _find(repository, image_id)
        if image is not None and image.status != "ACTIVE":
            failure = "ImageInaccessible"
        elif image is not None and not image.cached:
            failure = "ImageNotFound"
        if image is None or failure:
            failure = _miss(request, repository, failure)
            failures.append({"imageId": image_id, "failureCode": failure, "failureReason": _FAILURES[failure]})
        else:
            images.append(_pulled(request, image, image_id, accepted))
    return {"images": images, "failures": failures}


_FAILURES = {
    "ImageNotFound": "Requested image not found",
    "ImageTagDoesNotMatchDigest": "The tag does not match the digest",
    "MissingDigestAndTag": "An image needs a digest or a tag",
    "ImageInaccessible": "The image is archived and cannot be pulled",
    "UpstreamAccessDenied": "The upstream registry denied access",
    "UpstreamTooManyRequests": "The upstream registry throttles requests",
    "UpstreamUnavailable": "The upstream registry cannot be reached",
    "KmsError": "The KMS key cannot be used",
}


def _miss(request: Request, repository: Repository, failure: str) -> str:
    """Give the failure of an absent image: that of the pull-through-cache rule where one covers the repository."""
    rules = request.world.registry(account=repository.account, region=repository.region).pull_through
    for rule in rules:
        if failure == "ImageNotFound" and (rule.prefix == "ROOT" or repository.name.startswith(f"{rule.prefix}/")):
            return rule.miss
    return failure


def _pulled(request: Request, image: Image, asked: dict[str, str], accepted: list[str]) -> dict[str, Any]:
    image.pulled_at = request.world.clock.now()
    data, media_type = image.manifest.data, image.manifest.media_type
    if "imageDigest" not in asked:
        data, media_type = translate(image.manifest, accepted)
    return {
        "registryId": image.repository.account,
        "repositoryName": image.repository.name,
        "imageId": without_nones(imageDigest=image.digest, imageTag=asked.get("imageTag")),
        "imageManifest": (image.override or data).decode("utf-8", "replace"),
        "imageManifestMediaType": media_type,
    }


def _list_images(request: Request) -> dict[str, Any]:
    repository, wanted = repository_of(request), request.payload.get("filter", {})
    ids: list[dict[str, str]] = []
    for image in repository.images.values():
        if _passes(image, wanted):
            tagged = [{"imageDigest": image.digest, "imageTag": tag} for tag in image.tags]
            ids += tagged or [{"imageDigest": image.digest}]
    shown, token = page(ids, request.payload, default=100, most=1000, invalid=partial(AwsError, INVALID))
    return without_nones(imageIds=shown, nextToken=token)


def _list_image_referrers(request: Request) -> dict[str, Any]:
    repository, payload = repository_of(request), request.payload
    subject, wanted = payload["subjectId"]["imageDigest"], payload.get("filter", {})
    types, status = wanted.get("artifactTypes") or (), wanted.get("artifactStatus", "ACTIVE")
    found = [
        _referrer(image)
        for image in repository.images.values()
        if image.listed
        and image.manifest.subject == subject
        and (not types or image.manifest.artifact_type in types)
        and status in ("ANY", image.status)
    ]
    shown, token = page(found, payload, default=20, most=50, invalid=partial(AwsError, "ValidationException"))
    return without_nones(referrers=shown, nextToken=token)


def _referrer(image: Image) -> dict[str, Any]:
    body = image.manifest
    return without_nones(
        digest=body.digest,
        mediaType=body.media_type,
        artifactType=body.artifact_type,
        size=len(body.data),
        annotations=dict(body.annotations) or None,
        artifactStatus=image.status,
    )


def _describe_image_signing_status(request: Request) -> dict[str, Any]:
    repository, image_id = repository_of(request), request.payload["imageId"]
    image = _described(repository, image_id, {"imageStatus": "ANY"})
    statuses = [
        without_nones(
            signingProfileArn=each.profile_arn,
            status=each.status,
            failureCode=each.failure_code,
            failureReason=each.failure_reason,
        )
        for each in image.signing
    ]
    return names_of(repository) | {"imageId": image_id, "signingStatuses": statuses}


def _get_download_url_for_layer(request: Request) -> dict[str, Any]:
    repository, digest = repository_of(request), request.payload["layerDigest"]
    if digest not in repository.blobs:
        raise AwsError("LayersNotFoundException", f"The layer with digest {digest} does not exist in the repository")
    path = f"{repository.account}/{repository.region}/{repository.name}/{digest}"
    return {"downloadUrl": f"{request.base_url}/_layers/{path}?X-Amz-Expires=3600", "layerDigest": digest}


def _describe_repositories(request: Request) -> dict[str, Any]:
    names, payload = request.payload.get("repositoryNames"), request.payload
    if names is None:
        listed = list(own_registry(request).repositories.values())
        shown, token = page(listed, payload, default=100, most=1000, invalid=partial(AwsError, INVALID))
        return without_nones(repositories=[_described_repository(each) for each in shown], nextToken=token)
    if not 1 <= len(names) <= MOST_REPOSITORY_NAMES:
        raise AwsError(INVALID, f"Invalid parameter at 'repositoryNames': {len(names)} members")
    registry = registry_of(request)
    return {"repositories": [_described_repository(named(request, registry, name)) for name in names]}


def _described_repository(repository: Repository) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": each} for each in repository.exclusions]
    return without_nones(
        repositoryArn=repository.arn,
        registryId=repository.account,
        repositoryName=repository.name,
        repositoryUri=repository.uri,
        createdAt=repository.created_at,
        imageTagMutability=repository.mutability,
        imageTagMutabilityExclusionFilters=filters or None,
        imageScanningConfiguration={"scanOnPush": False},
        encryptionConfiguration=without_nones(encryptionType=repository.encryption, kmsKey=repository.kms_key),
    )


def _describe_image_scan_findings(request: Request) -> dict[str, Any]:
    repository = repository_of(request)
    image = _described(repository, request.payload["imageId"], {"imageStatus": "ANY"})
    registry = request.world.registry(account=repository.account, region=repository.region)
    foreign = repository.account != request.caller.account
    return ecr_scans.findings(image, request.payload, registry.scan_type, request.world.clock.now(), foreign=foreign)


def _account(payload: dict[str, Any], caller: Caller) -> str:
    return str(payload.get("registryId", caller.account))


def _ids(payload: dict[str, Any]) -> int:
    return len(payload.get("imageIds") or payload.get("repositoryNames") or (1,))


SERVICE = Service(
    name="ecr",
    wire=Json11(target_prefix="AmazonEC2ContainerRegistry_V20150921"),
    operations=ecr_configuration.OPERATIONS
    | {
        "BatchGetImage": _batch_get_image,
        "DescribeImages": _describe_images,
        "DescribeImageScanFindings": _describe_image_scan_findings,
        "DescribeImageSigningStatus": _describe_image_signing_status,
        "DescribeRepositories": _describe_repositories,
        "GetDownloadUrlForLayer": _get_download_url_for_layer,
        "ListImageReferrers": _list_image_referrers,
        "ListImages": _list_images,
    },
    errors={
        "throttle": AwsError("ThrottlingException", "Rate exceeded"),
        "server_error": AwsError("ServerException", "These errors are usually caused by a server-side issue.", 500),
        "access_denied": AwsError("AccessDeniedException", "User is not authorized to perform this ecr action"),
        "expired_token": AwsError("ExpiredTokenException", "The security token included in the request is expired"),
    },
    account=_account,
    ids=_ids,
)
