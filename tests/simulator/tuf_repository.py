"""A TUF repository that serves a trusted root of Sigstore, and does to it what its owner, or somebody else, might do.

with TufRepository(b"{...}") as repository:
    repository.root_json            # what a TrustStore's tuf.root names
    repository.publish(b"{...}")    # another trusted root, in new versions of the metadata
    repository.rotate()             # another key for the root, signed by the one before
    repository.inject(about="timestamp.json", status=503)
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # as its documentation has it
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp  # type: ignore[attr-defined]  # as its documentation has it

from tests.simulator.http_faults import HttpFault, play
from tests.simulator.http_thread import HttpThread

TARGET = "trusted_root.json"
ROLES = ("timestamp", "snapshot", "targets")


class TufRepository(HttpThread):
    """Serve while used as a context manager. ``files`` are what is served, by path; a test may change them."""

    def __init__(self, trusted_root: bytes, *, target: str = TARGET, port: int = 0) -> None:
        super().__init__(port=port)
        self.target = target
        self.expires = {role: datetime.now(UTC).replace(microsecond=0) + timedelta(days=7) for role in ("root", *ROLES)}
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self._faults: list[HttpFault] = []
        self._signers = {role: CryptoSigner.generate_ed25519() for role in ("root", *ROLES)}
        self._version = 0
        self._root = Root(version=1, consistent_snapshot=True)
        for role, signer in self._signers.items():
            self._root.add_key(signer.public_key, role)
        self.root_json = self._sign_root()
        self.publish(trusted_root)

    @property
    def url(self) -> str:
        return f"{self.origin}/repository"

    def publish(self, trusted_root: bytes) -> None:
        """Put another trusted root in the place of the one before, in the next version of all metadata."""
        self._version += 1
        digest = hashlib.sha256(trusted_root).hexdigest()
        self.files[f"targets/{digest}.{self.target}"] = trusted_root
        named = {self.target: TargetFile.from_data(self.target, trusted_root, ["sha256"])}
        targets = self._write(Targets(version=self._version, expires=self.expires["targets"], targets=named), "targets")
        snapshot = Snapshot(version=self._version, expires=self.expires["snapshot"], meta={"targets.json": targets})
        self._write(
            Timestamp(
                version=self._version,
                expires=self.expires["timestamp"],
                snapshot_meta=self._write(snapshot, "snapshot"),
            ),
            "timestamp",
        )

    def rotate(self) -> None:
        """Replace the root's key by another one, as the one before allows."""
        old, new = self._signers["root"], CryptoSigner.generate_ed25519()
        self._root.version += 1
        self._root.revoke_key(old.public_key.keyid, "root")
        self._root.add_key(new.public_key, "root")
        self._signers["root"] = new
        self._sign_root(also=old)

    def usurp(self) -> None:
        """Replace the root's key by another one that nobody allowed."""
        self.rotate()
        path = f"{self._root.version}.root.json"
        forged = Metadata[Root].from_bytes(self.files[path])
        forged.sign(self._signers["root"])
        self.files[path] = forged.to_bytes()

    def renew_root(self) -> None:
        """Sign the root anew, with another expiry for example, in its next version."""
        self._root.version += 1
        self._sign_root()

    def inject(self, **fault: Any) -> HttpFault:
        """Answer otherwise from now on, as HttpFault says."""
        made = HttpFault(**fault)
        self._faults.append(made)
        return made

    def clear(self) -> None:
        """Take back every fault."""
        self._faults.clear()

    def _sign_root(self, *, also: CryptoSigner | None = None) -> bytes:
        self._root.expires = self.expires["root"]
        metadata = Metadata(self._root)
        metadata.sign(self._signers["root"])
        if also is not None:
            metadata.sign(also, append=True)
        self.files[f"{self._root.version}.root.json"] = content = metadata.to_bytes()
        return content

    def _write(self, signed: Any, role: str) -> MetaFile:
        metadata = Metadata(signed)
        metadata.sign(self._signers[role])
        path = f"{role}.json" if role == "timestamp" else f"{self._version}.{role}.json"
        self.files[path] = metadata.to_bytes()
        return MetaFile(version=self._version)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removeprefix("/repository/")
        self.requests.append(path)
        for fault in self._faults:
            if fault.strikes(f"{request.method} {request.path_qs}"):
                return await play(fault, request, self.stopping)
        content = self.files.get(path)
        return web.Response(status=404) if content is None else web.Response(body=content)
