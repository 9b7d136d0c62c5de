"""What the simulated AWS holds: accounts, registries, repositories and images.

Every change is safe while the server answers: both hold `lock`.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.simulator.clock import Clock, Moment
from tests.simulator.manifests import Manifest
from tests.simulator.registry import (
    Image,
    PullThroughRule,
    Registry,
    ReplicationRule,
    Repository,
    ScanRule,
    SigningRule,
)
from tests.simulator.scans import BasicScan, Coverage, ScanState

CLUSTER_ACCOUNT = "111122223333"
REGION = "eu-west-1"
READER_ROLE = "tidegate-reader"

DAY = 86400.0


@dataclass(slots=True, kw_only=True)
class Account:
    """An AWS account: the roles that may be assumed in it (with the external id each asks for), and its Inspector."""

    id: str
    roles: dict[str, str | None] = field(default_factory=dict)
    scan_type: str = "ENHANCED"
    inspector: str = "ENABLED"
    members: frozenset[str] = frozenset()


class Contents:
    """Hold what AWS has, by account and region; see `World` for how things are named."""

    def __init__(self, *, account: str = CLUSTER_ACCOUNT, region: str = REGION, clock: Clock | None = None) -> None:
        self.account = account
        self.region = region
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self._registries: dict[tuple[str, str], Registry] = {}
        self._by_digest: dict[tuple[str, str], list[Image]] = {}
        self._by_arn: dict[str, Image] = {}
        self.serial = count(1)

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
        """Make a prefix a pull-through-cache namespace; `rule` may give upstream, upstream_url, upstream_prefix and miss."""
        with self.lock:
            self.registry(account=account, region=region).pull_through += (PullThroughRule(prefix=prefix, **rule),)

    def set_registry_policy(
        self, policy: str | None, *, scope: str = "V2", account: str | None = None, region: str | None = None
    ) -> None:
        """Set or remove a registry's policy, and the scope that its account has for it."""
        with self.lock:
            registry = self.registry(account=account, region=region)
            registry.policy, registry.policy_scope = policy, scope

    def set_replication(
        self, rules: Sequence[ReplicationRule], *, account: str | None = None, region: str | None = None
    ) -> None:
        """Set where a registry copies its images."""
        with self.lock:
            self.registry(account=account, region=region).replication = tuple(rules)

    def set_signing(
        self, rules: Sequence[SigningRule], *, account: str | None = None, region: str | None = None
    ) -> None:
        """Set what a registry signs by itself."""
        with self.lock:
            self.registry(account=account, region=region).signing_rules = tuple(rules)

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
        encryption: str = "AES256",
        kms_key: str | None = None,
    ) -> Repository:
        """Add a repository; `readers` are other accounts that its policy lets read without assuming a role."""
        with self.lock:
            registry = self.registry(account=account, region=region)
            made = Repository(
                name=name,
                account=registry.account,
                region=registry.region,
                created_at=self.clock.now() - 30 * DAY,
                mutability=mutability,
                exclusions=tuple(exclusions),
                readers=frozenset(readers),
                policy=policy,
                lifecycle=lifecycle,
                encryption=encryption,
                kms_key=kms_key,
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
            self.announce("ECR Image Action", image, **{"action-type": "PUSH", "image-tag": tag})

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
            for each in image.tags or (None,):
                named = {} if each is None else {"image-tag": each}
                self.announce("ECR Image Action", image, **{"action-type": "DELETE", **named})

    def push(
        self,
        repository: str,
        body: Manifest,
        tag: str | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
        pushed_at: Moment = -DAY,
        status: str = "ACTIVE",
        scanned: bool = False,
        in_use: int = 0,
    ) -> str:
        """Push any manifest, with its blobs, and give its digest; see `World.add_image`."""
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
                if tag is None:
                    self.announce("ECR Image Action", image, **{"action-type": "PUSH"})
            if tag is not None:
                self.move_tag(repository, tag, body.digest, account=account, region=region)
            return body.digest

    def announce(self, detail_type: str, image: Image, **more: Any) -> None:
        """Send the EventBridge event of a change of an image; see queues.py."""

    # What the services ask

    def images_by_digest(self, region: str, digest: str) -> list[Image]:
        return self._by_digest.get((region, digest), [])

    def image_by_arn(self, arn: str) -> Image | None:
        return self._by_arn.get(arn)

    def registries(self, *, region: str, accounts: frozenset[str]) -> Iterator[Registry]:
        return (each for key, each in self._registries.items() if key[1] == region and key[0] in accounts)

    def all_repositories(self) -> Iterator[Repository]:
        return (each for registry in self._registries.values() for each in registry.repositories.values())


def _clean(scan_type: str, status: str, at: float) -> ScanState:
    if scan_type == "BASIC":
        return ScanState(at=at, basic=BasicScan(completed_at=at))
    if status != "ACTIVE":
        return ScanState(at=at, coverage=Coverage(status="INACTIVE", reason="IMAGE_ARCHIVED", last_scanned_at=at))
    return ScanState(at=at, coverage=Coverage(last_scanned_at=at))
