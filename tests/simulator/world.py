"""The simulated AWS: accounts, registries, repositories, images and scans, and the calls that tests change them with.

Every change is safe while the server answers: both hold `lock`. It knows no wire format and no fault; what changes
scans and signatures is in scan_changes.py and signature_changes.py, and who signs in signing.py.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.simulator import manifests
from tests.simulator.authorities import Authorities
from tests.simulator.clock import Clock, Moment
from tests.simulator.kms_changes import KmsChanges
from tests.simulator.manifests import Manifest
from tests.simulator.registry import Image, PullThroughRule, Registry, Repository, ScanRule
from tests.simulator.scan_changes import ScanChanges
from tests.simulator.scans import BasicScan, Coverage, ScanState
from tests.simulator.signature_changes import SignatureChanges
from tests.simulator.signing import Signing

CLUSTER_ACCOUNT = "111122223333"
REGION = "eu-west-1"
READER_ROLE = "tidegate-reader"

_DAY = 86400.0


@dataclass(slots=True, kw_only=True)
class Account:
    """An AWS account: the roles that may be assumed in it (with the external id each asks for), and its Inspector."""

    id: str
    roles: dict[str, str | None] = field(default_factory=dict)
    scan_type: str = "ENHANCED"
    inspector: str = "ENABLED"
    members: frozenset[str] = frozenset()


class World(KmsChanges, ScanChanges, SignatureChanges):
    """Hold the simulated AWS and change it.

    `account` is the cluster's own account, in which the base credentials live; `region` is where repositories are
    made unless told otherwise. Repositories are named by their name alone in the cluster's account and region, and
    otherwise with `account=` and `region=`. A `Moment` is a datetime, ISO text or seconds from now. `program` is a
    static executable that every image then starts, for a cluster that runs what it admits.
    """

    def __init__(
        self,
        *,
        account: str = CLUSTER_ACCOUNT,
        region: str = REGION,
        clock: Clock | None = None,
        program: bytes | None = None,
    ) -> None:
        self.account = account
        self.program = program
        self.region = region
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self._registries: dict[tuple[str, str], Registry] = {}
        self._by_digest: dict[tuple[str, str], list[Image]] = {}
        self._by_arn: dict[str, Image] = {}
        self.serial = count(1)
        self.revocations = {}
        self.kms_keys = {}
        self.authorities = Authorities(self.clock)
        self.signing = Signing(self)
        self.add_account(account)

    # Accounts and registries

    def add_account(
        self,
        account: str,
        *,
        roles: Sequence[str] | Mapping[str, str | None] = (READER_ROLE,),
        scan_type: str = "ENHANCED",
        inspector: str = "ENABLED",
        members: Sequence[str] = (),
    ) -> Account:
        """Add or replace an account.

        `roles` may be assumed by anyone of this world, those of a mapping with their external id only; `scan_type` is
        what its registries start with; `members` are the accounts whose findings it sees as delegated administrator.
        """
        known = dict(roles) if isinstance(roles, Mapping) else dict.fromkeys(roles)
        made = Account(id=account, roles=known, scan_type=scan_type, inspector=inspector, members=frozenset(members))
        with self.lock:
            self.accounts[account] = made
        return made

    def registry(self, *, account: str | None = None, region: str | None = None) -> Registry:
        """Give the registry of an account and region, made on first use; the account must exist (KeyError)."""
        key = (account or self.account, region or self.region)
        with self.lock:
            if key not in self._registries:
                kind = self.accounts[key[0]].scan_type
                self._registries[key] = Registry(account=key[0], region=key[1], scan_type=kind)
            return self._registries[key]

    def set_scanning(
        self,
        scan_type: str,
        *,
        rules: Sequence[ScanRule] = (),
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Set a registry's scanning configuration: BASIC or ENHANCED, with at most two rules."""
        with self.lock:
            registry = self.registry(account=account, region=region)
            registry.scan_type, registry.rules = scan_type, tuple(rules)

    def add_pull_through_rule(
        self, prefix: str, *, account: str | None = None, region: str | None = None, **rule: str
    ) -> None:
        """Make a prefix a pull-through-cache namespace; `rule` may give upstream, upstream_url and miss."""
        with self.lock:
            self.registry(account=account, region=region).pull_through += (PullThroughRule(prefix=prefix, **rule),)

    # Repositories and images

    def add_repository(
        self,
        name: str,
        *,
        account: str | None = None,
        region: str | None = None,
        mutability: str = "IMMUTABLE",
        exclusions: Sequence[str] = (),
        readers: Sequence[str] = (),
        policy: str | None = None,
        lifecycle: str | None = None,
    ) -> Repository:
        """Add a repository; `readers` are other accounts that its policy lets read without assuming a role."""
        with self.lock:
            registry = self.registry(account=account, region=region)
            made = Repository(
                name=name,
                account=registry.account,
                region=registry.region,
                created_at=self.clock.now() - 30 * _DAY,
                mutability=mutability,
                exclusions=tuple(exclusions),
                readers=frozenset(readers),
                policy=policy,
                lifecycle=lifecycle,
            )
            registry.repositories[name] = made
            return made

    def set_mutability(
        self,
        name: str,
        mutability: str,
        *,
        exclusions: Sequence[str] = (),
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Change whether the tags of a repository may move."""
        with self.lock:
            repository = self.repository(name, account=account, region=region)
            repository.mutability, repository.exclusions = mutability, tuple(exclusions)

    def repository(self, name: str, *, account: str | None = None, region: str | None = None) -> Repository:
        """Give a repository (KeyError if there is none)."""
        return self.registry(account=account, region=region).repositories[name]

    def remove_repository(self, name: str, *, account: str | None = None, region: str | None = None) -> None:
        """Remove a repository and its images."""
        with self.lock:
            for digest in list(self.repository(name, account=account, region=region).images):
                self.remove_image(name, digest, account=account, region=region)
            del self.registry(account=account, region=region).repositories[name]

    def add_image(
        self,
        repository: str,
        tag: str | None = "v1",
        *,
        account: str | None = None,
        region: str | None = None,
        content: str | None = None,
        platform: str = "linux/amd64",
        media_type: str = manifests.OCI_MANIFEST,
        pushed_at: Moment = -_DAY,
        status: str = "ACTIVE",
        scanned: bool = True,
        in_use: int = 0,
    ) -> str:
        """Push an image and give its digest.

        The same `content`, platform and media type give the same digest wherever they are pushed; without content
        every image is its own. `scanned` gives it what its registry's scanner says of an image it found clean; set
        it False for no coverage row and no scan. The repository is made (immutable) if there is none.
        """
        body = manifests.image(
            content or f"{repository} {next(self.serial)}",
            platform=platform,
            media_type=media_type,
            program=self.program,
        )
        return self._push(
            repository,
            body,
            tag,
            account=account,
            region=region,
            pushed_at=pushed_at,
            status=status,
            scanned=scanned,
            in_use=in_use,
        )

    def add_index(
        self,
        repository: str,
        tag: str | None = "v1",
        *,
        platforms: Sequence[str] = ("linux/amd64", "linux/arm64"),
        account: str | None = None,
        region: str | None = None,
        content: str | None = None,
        attestations: bool = True,
        docker: bool = False,
        pushed_at: Moment = -_DAY,
        scanned: bool = True,
    ) -> tuple[str, dict[str, str]]:
        """Push an index with an image per platform, and with BuildKit's attestations; give its digest and {platform: child digest}.

        As at AWS the children are untagged and scanned, the index is tagged and has no coverage row.
        """
        seed = content or f"{repository} {next(self.serial)}"
        kind = manifests.DOCKER_MANIFEST if docker else manifests.OCI_MANIFEST
        children = [
            (manifests.image(seed, platform=each, media_type=kind, program=self.program), each) for each in platforms
        ]
        proofs = [(manifests.attestation(f"{seed} {each}", of=child.digest), child.digest) for child, each in children]
        top = manifests.index(
            children,
            attestations=proofs if attestations else (),
            media_type=manifests.DOCKER_LIST if docker else manifests.OCI_INDEX,
        )
        where: dict[str, Any] = {"account": account, "region": region, "pushed_at": pushed_at}
        for child, _ in children:
            self._push(repository, child, None, scanned=scanned, **where)
        for proof, _ in proofs if attestations else ():
            self._push(repository, proof, None, **where)
        digest = self._push(repository, top, tag, **where)
        return digest, {platform: child.digest for child, platform in children}

    def add_huge_index(
        self,
        repository: str,
        tag: str = "huge",
        *,
        children: int = 10_000,
        account: str | None = None,
        region: str | None = None,
    ) -> str:
        """Push an index that names very many children, none of which exists; give its digest."""
        body = manifests.huge_index(children)
        return self._push(repository, body, tag, account=account, region=region)

    def add_manifest(
        self,
        repository: str,
        data: bytes,
        tag: str | None = "v1",
        *,
        media_type: str = manifests.OCI_MANIFEST,
        account: str | None = None,
        region: str | None = None,
        pushed_at: Moment = -_DAY,
        scanned: bool = False,
    ) -> str:
        """Push any bytes as a manifest, for a test of bad ones; give their digest."""
        body = Manifest(data=data, digest=manifests.sha256(data), media_type=media_type, size=len(data))
        return self._push(repository, body, tag, account=account, region=region, pushed_at=pushed_at, scanned=scanned)

    def add_referrer(
        self,
        repository: str,
        subject: str,
        *,
        artifact_type: str,
        layers: Sequence[tuple[str, bytes]],
        annotations: Mapping[str, str] | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> str:
        """Push an artifact whose subject is an image of the repository, such as a signature; give its digest."""
        target = self.image(repository, subject, account=account, region=region).manifest
        body = manifests.referrer(artifact_type=artifact_type, subject=target, layers=layers, annotations=annotations)
        return self._push(repository, body, None, account=account, region=region)

    def add_scanned_images(
        self, repository: str, number: int, *, account: str | None = None, region: str | None = None
    ) -> list[tuple[str, str]]:
        """Push many distinct, clean, scanned images; give (tag, digest) pairs, tags being v0, v1, ..."""
        with self.lock:
            return [
                (f"v{each}", self.add_image(repository, f"v{each}", account=account, region=region))
                for each in range(number)
            ]

    def image(self, repository: str, name: str, *, account: str | None = None, region: str | None = None) -> Image:
        """Give an image by tag or digest (KeyError if there is none)."""
        holder = self.repository(repository, account=account, region=region)
        return holder.images[holder.tags.get(name, name)]

    def move_tag(
        self, repository: str, tag: str, digest: str, *, account: str | None = None, region: str | None = None
    ) -> None:
        """Point a tag at an image that the repository has, whatever its mutability says."""
        with self.lock:
            holder = self.repository(repository, account=account, region=region)
            image = holder.images[digest]
            if tag in holder.tags:
                holder.images[holder.tags[tag]].tags.remove(tag)
            holder.tags[tag] = digest
            image.tags.append(tag)

    def remove_image(
        self, repository: str, name: str, *, account: str | None = None, region: str | None = None
    ) -> None:
        """Remove an image and its tags, as a lifecycle rule or a person would."""
        with self.lock:
            image = self.image(repository, name, account=account, region=region)
            holder = image.repository
            for tag in image.tags:
                del holder.tags[tag]
            del holder.images[image.digest], self._by_arn[image.arn]
            self._by_digest[holder.region, image.digest].remove(image)

    def archive_image(
        self,
        repository: str,
        name: str,
        *,
        status: str = "ARCHIVED",
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Archive an image (or set another imageStatus); Inspector then says IMAGE_ARCHIVED and closes its findings."""
        with self.lock:
            image = self.image(repository, name, account=account, region=region)
            image.status = status
            if status == "ARCHIVED" and image.coverage(self.clock.now()):
                self.set_coverage(repository, name, "INACTIVE", "IMAGE_ARCHIVED", account=account, region=region)

    def set_manifest_bytes(
        self, repository: str, name: str, data: bytes, *, account: str | None = None, region: str | None = None
    ) -> None:
        """Make the registry lie: give other bytes for an image than those that its digest names."""
        with self.lock:
            self.image(repository, name, account=account, region=region).override = data

    def push(
        self,
        repository: str,
        body: Manifest,
        tag: str | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
    ) -> str:
        """Push any manifest, with its blobs, and give its digest."""
        return self._push(repository, body, tag, account=account, region=region)

    # What the services ask

    def images_by_digest(self, region: str, digest: str) -> list[Image]:
        return self._by_digest.get((region, digest), [])

    def image_by_arn(self, arn: str) -> Image | None:
        return self._by_arn.get(arn)

    def registries(self, *, region: str, accounts: frozenset[str]) -> Iterator[Registry]:
        return (each for key, each in self._registries.items() if key[1] == region and key[0] in accounts)

    def all_repositories(self) -> Iterator[Repository]:
        return (each for registry in self._registries.values() for each in registry.repositories.values())

    def _push(
        self,
        repository: str,
        body: Manifest,
        tag: str | None,
        *,
        account: str | None,
        region: str | None,
        pushed_at: Moment = -_DAY,
        status: str = "ACTIVE",
        scanned: bool = False,
        in_use: int = 0,
    ) -> str:
        with self.lock:
            registry = self.registry(account=account, region=region)
            if repository not in registry.repositories:
                self.add_repository(repository, account=account, region=region)
            holder = registry.repositories[repository]
            if body.digest not in holder.images:
                image = Image(repository=holder, manifest=body, pushed_at=self.clock.moment(pushed_at), status=status)
                image.in_use = in_use
                if scanned:
                    image.record(_clean(registry.scan_type, status, image.pushed_at))
                holder.images[body.digest] = self._by_arn[image.arn] = image
                self._by_digest.setdefault((holder.region, body.digest), []).append(image)
                holder.blobs.update(body.blobs)
            if tag is not None:
                self.move_tag(repository, tag, body.digest, account=account, region=region)
            return body.digest


def _clean(scan_type: str, status: str, at: float) -> ScanState:
    if scan_type == "BASIC":
        return ScanState(at=at, basic=BasicScan(completed_at=at))
    if status != "ACTIVE":
        return ScanState(at=at, coverage=Coverage(status="INACTIVE", reason="IMAGE_ARCHIVED", last_scanned_at=at))
    return ScanState(at=at, coverage=Coverage(last_scanned_at=at))
