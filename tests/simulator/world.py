"""The simulated AWS: what its registries hold, and the calls that tests change images, scans and signatures with.

It knows no wire format and no fault; what is held is in contents.py, what changes scans and signatures in
scan_changes.py and signature_changes.py, and who signs in signing.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.simulator import manifests
from tests.simulator.authorities import Authorities
from tests.simulator.clock import Clock, Moment
from tests.simulator.contents import CLUSTER_ACCOUNT, DAY, REGION
from tests.simulator.kms_changes import KmsChanges
from tests.simulator.manifests import Manifest
from tests.simulator.queues import QueueChanges
from tests.simulator.scan_changes import ScanChanges
from tests.simulator.signature_changes import SignatureChanges
from tests.simulator.signing import Signing


class World(QueueChanges, KmsChanges, ScanChanges, SignatureChanges):
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
        super().__init__(account=account, region=region, clock=clock)
        self.program = program
        self.revocations = {}
        self.kms_keys = {}
        self.queues = {}
        self.authorities = Authorities(self.clock)
        self.signing = Signing(self)
        self.add_account(account)

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
        pushed_at: Moment = -DAY,
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
        return self.push(
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
        pushed_at: Moment = -DAY,
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
            self.push(repository, child, None, scanned=scanned, **where)
        for proof, _ in proofs if attestations else ():
            self.push(repository, proof, None, **where)
        digest = self.push(repository, top, tag, **where)
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
        return self.push(repository, body, tag, account=account, region=region)

    def add_manifest(
        self,
        repository: str,
        data: bytes,
        tag: str | None = "v1",
        *,
        media_type: str = manifests.OCI_MANIFEST,
        account: str | None = None,
        region: str | None = None,
        pushed_at: Moment = -DAY,
        scanned: bool = False,
    ) -> str:
        """Push any bytes as a manifest, for a test of bad ones; give their digest."""
        body = Manifest(data=data, digest=manifests.sha256(data), media_type=media_type, size=len(data))
        return self.push(repository, body, tag, account=account, region=region, pushed_at=pushed_at, scanned=scanned)

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
        return self.push(repository, body, None, account=account, region=region)

    def add_scanned_images(
        self, repository: str, number: int, *, account: str | None = None, region: str | None = None
    ) -> list[tuple[str, str]]:
        """Push many distinct, clean, scanned images; give (tag, digest) pairs, tags being v0, v1, ..."""
        with self.lock:
            return [
                (f"v{each}", self.add_image(repository, f"v{each}", account=account, region=region))
                for each in range(number)
            ]

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
            if status == "ACTIVE" and image.archived_at is not None:
                image.restored_at = self.clock.now()
            image.status = status
            if status == "ARCHIVED":
                image.archived_at = self.clock.now()
            if status == "ARCHIVED" and image.coverage(self.clock.now()):
                self.set_coverage(repository, name, "INACTIVE", "IMAGE_ARCHIVED", account=account, region=region)

    def set_manifest_bytes(
        self, repository: str, name: str, data: bytes, *, account: str | None = None, region: str | None = None
    ) -> None:
        """Make the registry lie: give other bytes for an image than those that its digest names."""
        with self.lock:
            self.image(repository, name, account=account, region=region).override = data
