"""Amazon ECR: digests of images, manifests, repository settings, and ECR's own scans.

The methods implement the ports of the same names in ``evidence.ports``. Only pull-through-cache rules are cached.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tidegate.aws.accounts import ScannerChoice
from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.ecr_images import can_exist, read_images, read_manifests, read_repositories, where, wire_id
from tidegate.aws.ecr_scan import check_subject, not_scanned, read_report
from tidegate.aws.errors import INVALID_CODES, MAX_DETAIL, is_too_long
from tidegate.aws.identity import Identity
from tidegate.aws.pages import read_pages
from tidegate.aws.pull_through import PullThroughRules
from tidegate.aws.reply import ApiResponse
from tidegate.aws.split import RefusedError, ask_for_each
from tidegate.evidence.content import TOO_LARGE
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import (
    MAX_IMAGE_IDS,
    MAX_REPOSITORIES,
    DescribedImage,
    DescribedRepository,
    FetchedManifest,
)
from tidegate.evidence.repository import ScanType
from tidegate.evidence.scan import MAX_FINDINGS, ScanReport
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import ACCEPTED_TYPES
from tidegate.images.repository import EcrRegistry, EcrRepository

MAX_SCAN_PAGES = 10
"""Pages of one scan. A page has up to 1000 findings of a basic scan, and up to 100 of Amazon Inspector's."""

_DESCRIBE_IMAGES = Api("ecr", "DescribeImages")
_BATCH_GET_IMAGE = Api("ecr", "BatchGetImage")
_DESCRIBE_REPOSITORIES = Api("ecr", "DescribeRepositories")
_SCANNING = Api("ecr", "GetRegistryScanningConfiguration")
_FINDINGS = Api("ecr", "DescribeImageScanFindings")
_NO_IMAGE, _NO_REPOSITORY, _NO_SCAN = (
    "ImageNotFoundException",
    "RepositoryNotFoundException",
    "ScanNotFoundException",
)


class Ecr:
    """Ask Amazon ECR. Safe to share between threads."""

    def __init__(self, clients: Clients, identity: Identity) -> None:
        self._clients = clients
        self._identity = identity
        self._rules = PullThroughRules(clients)

    def describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> Mapping[ImageId, DescribedImage]:
        """Describe images, archived ones included. See ``evidence.ports.ImageSource``."""
        _bound(ids, MAX_IMAGE_IDS)
        self._clients.check_region(repository.registry)
        if not can_exist(repository.name):
            return dict.fromkeys(ids, Absence.REPOSITORY)
        ask = partial(self._describe_images, repository)
        try:
            return ask_for_each(ids, ask, name=lambda each: each.value, source=_DESCRIBE_IMAGES.source)
        except AnsweredError:
            return dict.fromkeys(ids, self._rules.absence(repository, Absence.REPOSITORY))

    def get_manifests(self, repository: EcrRepository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Fetch manifests by digest, in the format in which they were pushed. See ``evidence.ports.ManifestSource``."""
        _bound(digests, MAX_IMAGE_IDS)
        self._clients.check_region(repository.registry)
        if not can_exist(repository.name):
            return dict.fromkeys(digests, Absence.REPOSITORY)
        ask = partial(self._get_manifests, repository)
        return ask_for_each(digests, ask, name=str, source=_BATCH_GET_IMAGE.source)

    def _get_manifests(self, repository: EcrRepository, digests: Sequence[Digest]) -> Mapping[Digest, FetchedManifest]:
        """Make one call; raise RefusedError if the answer is too long, which a single manifest can cause."""
        parameters = {
            **where(repository),
            "imageIds": [{"imageDigest": each} for each in digests],
            "acceptedMediaTypes": list(ACCEPTED_TYPES),
        }
        try:
            reply = self._clients.call(
                _BATCH_GET_IMAGE, repository.registry, parameters, answers=frozenset({_NO_REPOSITORY})
            )
        except AnsweredError:
            return dict.fromkeys(digests, self._rules.absence(repository, Absence.REPOSITORY))
        except SourceUnavailableError as exc:
            if is_too_long(exc):
                raise RefusedError(TOO_LARGE, "") from exc
            raise
        absent = self._rules.absence(repository, Absence.IMAGE) if reply.get("failures") else Absence.IMAGE
        return read_manifests(reply, repository, digests, _BATCH_GET_IMAGE.source, absent=absent)

    def describe_repositories(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, DescribedRepository]:
        """Describe how repositories are set up. See ``evidence.ports.RepositorySource``."""
        _bound(names, MAX_REPOSITORIES)
        self._clients.check_region(registry)
        possible = [each for each in names if can_exist(each)]
        ask = partial(self._describe_repositories, registry)
        answers = ask_for_each(possible, ask, name=str, source=_DESCRIBE_REPOSITORIES.source)
        return {each: answers.get(each, Absence.REPOSITORY) for each in names}

    def scan_type(self, registry: EcrRegistry) -> ScanType:
        """Return how a registry scans. See ``evidence.ports.ScanTypeSource``.

        ECR answers for the account that asks: an answer for another account than the registry's is ACCESS_DENIED.
        """
        self._clients.check_region(registry)
        choice = self._clients.account(registry.account).scanner
        if choice is not ScannerChoice.AUTO:
            return ScanType.ENHANCED if choice is ScannerChoice.INSPECTOR else ScanType.BASIC
        reply = ApiResponse(self._clients.call(_SCANNING, registry, {}), _SCANNING.source)
        if (answered := reply.text("registryId")) != registry.account:
            raise _foreign(_SCANNING, registry, f"ECR answered for {answered}: name the scanner of this account, or")
        return reply.object("scanningConfiguration").word(ScanType, "scanType")

    def basic_report(self, repository: EcrRepository, digest: Digest) -> ScanReport:
        """Return ECR's scan of one image. See ``evidence.ports.BasicScanSource``.

        To another account ECR reports "no scan" for images that Inspector did scan (aws/containers-roadmap issue 2541),
        so that answer is ACCESS_DENIED.
        """
        parameters: dict[str, Any] = {
            **where(repository),
            "imageId": {"imageDigest": digest},
            "maxResults": MAX_FINDINGS,
        }
        pages: list[Mapping[str, Any]] = []
        codes, more = frozenset({_NO_SCAN, _NO_IMAGE, _NO_REPOSITORY}), False
        found = read_pages(
            self._clients, _FINDINGS, repository.registry, parameters, most=MAX_SCAN_PAGES, answers=codes
        )
        try:
            for page, more in found:  # noqa: B007 - used below
                check_subject(page, repository, digest, _FINDINGS.source)
                pages.append(page)
        except AnsweredError as exc:
            if exc.code == _NO_SCAN and self._is_foreign(repository.registry):
                raise _foreign(_FINDINGS, repository.registry, "ECR shows no scan to another account:") from exc
            return not_scanned(exc.code, exc.message[:MAX_DETAIL])
        return read_report(pages, _FINDINGS.source, more=more)

    def _describe_images(self, repository: EcrRepository, ids: Sequence[ImageId]) -> dict[ImageId, DescribedImage]:
        parameters = {
            **where(repository),
            "imageIds": [wire_id(each) for each in ids],
            # Without it archived images are not described, and would be taken for missing ones.
            "filter": {"imageStatus": "ANY"},
        }
        codes = frozenset({_NO_IMAGE, _NO_REPOSITORY}) | INVALID_CODES
        try:
            reply = self._clients.call(_DESCRIBE_IMAGES, repository.registry, parameters, answers=codes)
        except AnsweredError as exc:
            if exc.code == _NO_REPOSITORY:
                raise
            absent = self._rules.absence(repository, Absence.IMAGE) if exc.code == _NO_IMAGE else None
            raise RefusedError(absent or _invalid(_DESCRIBE_IMAGES, exc), exc.message) from exc
        return dict(read_images(reply, repository, ids, _DESCRIBE_IMAGES.source))

    def _describe_repositories(self, registry: EcrRegistry, names: Sequence[str]) -> dict[str, DescribedRepository]:
        parameters = {"registryId": registry.account, "repositoryNames": list(names)}
        codes = frozenset({_NO_REPOSITORY}) | INVALID_CODES
        try:
            reply = self._clients.call(_DESCRIBE_REPOSITORIES, registry, parameters, answers=codes)
        except AnsweredError as exc:
            if exc.code != _NO_REPOSITORY:
                raise RefusedError(_invalid(_DESCRIBE_REPOSITORIES, exc), exc.message) from exc
            alone = EcrRepository(registry, names[0])
            absent = self._rules.absence(alone, Absence.REPOSITORY) if len(names) == 1 else Absence.REPOSITORY
            raise RefusedError(absent, exc.message) from exc
        return read_repositories(reply, registry, names, _DESCRIBE_REPOSITORIES.source)

    def _is_foreign(self, registry: EcrRegistry) -> bool:
        """Tell whether a registry is read from another account, or may be."""
        try:
            reader = self._clients.account(registry.account).role_account or self._identity.account()
        except SourceUnavailableError:
            return True
        return reader != registry.account


def _bound(ids: Sequence[object], most: int) -> None:
    if len(ids) > most:
        raise ValueError(f"at most {most} ids can be asked for at once, got {len(ids)}")


def _invalid(api: Api, exc: AnsweredError) -> SourceUnavailableError:
    return SourceUnavailableError(Cause.INTERNAL, api.source, str(exc)[:MAX_DETAIL])


def _foreign(api: Api, registry: EcrRegistry, problem: str) -> SourceUnavailableError:
    advice = f"{problem} give account {registry.account} a role to assume"
    return SourceUnavailableError(Cause.ACCESS_DENIED, api.source, advice)
