"""cosign with everything around it: a registry that it pushes to, a Sigstore instance, a key, and who it signs as.

``Pushed`` is one image with the one signature or attestation that cosign made about it, as the registry holds it; tests
alter that, and have cosign and tidegate verify it.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.e2e.interop.judging import now
from tests.e2e.interop.programs import Cosign
from tests.e2e.interop.services import Services
from tests.e2e.interop.sigstore_services import Instance, identity_token, serve_sigstore
from tests.simulator.artifacts import BUNDLE_TYPE
from tests.simulator.manifests import OCI_MANIFEST, image, sha256
from tests.simulator.oci_content import OciContent
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.keys import key as new_key
from tests.simulator.pki.sigstore import LocalSigstore
from tidegate.images.digest import Digest
from tidegate.strict.pattern import Exact
from tidegate.verify.sigstore.claims import Artifact, Claims
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.layer import SignatureLayer
from tidegate.verify.sigstore.procedure import Verification
from tidegate.verify.sigstore.public_key import parse_public_key
from tidegate.verify.sigstore.signer_trust import KeylessTrust, KeyTrust, SignerTrust
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE
from tidegate.verify.sigstore.trust_root import parse_trust_root
from tidegate.verify.sigstore.verification import verify_attestation_layer, verify_bundle, verify_signature_layer

SUBJECT = "release@acme.test"
ISSUER = "https://issuer.test"
PROVENANCE = "https://slsa.dev/provenance/v1"
PREDICATE = {
    "buildDefinition": {
        "buildType": "https://build.test/v1",
        "externalParameters": {"source": "git+https://acme.test"},
    },
    "runDetails": {"builder": {"id": "https://builder.test"}},
}


class By(StrEnum):
    """Who signs, and who else vouches for it."""

    KEY = "key"
    LOGGED_KEY = "logged key"
    IDENTITY = "identity"
    STAMPED_IDENTITY = "stamped identity"

    @property
    def is_key(self) -> bool:
        return self in {By.KEY, By.LOGGED_KEY}


class Form(StrEnum):
    """How cosign stores it: a bundle as referrer, or an image under a tag made of the digest."""

    BUNDLE = "bundle"
    LEGACY = "legacy"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of thing that cosign makes."""

    by: By
    form: Form
    attestation: bool = False

    def __str__(self) -> str:
        return f"{'attestation' if self.attestation else 'signature'} by {self.by} as {self.form}"


UNVERIFIABLE = Kind(by=By.STAMPED_IDENTITY, form=Form.LEGACY, attestation=True)
"""cosign 3.1 makes it and can't verify the timestamp in it."""
KINDS = tuple(
    kind
    for attestation in (False, True)
    for form in Form
    for by in By
    if (kind := Kind(by=by, form=form, attestation=attestation)) != UNVERIFIABLE
)


@dataclass(frozen=True, kw_only=True)
class World:
    """The parts, running."""

    cosign: Cosign
    registry: OciRegistry
    instance: Instance
    key: Path
    stranger_key: Path
    started_at: datetime = field(default_factory=lambda: now().replace(microsecond=0))
    _made: dict[Kind, Pushed] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def signed(self, kind: Kind) -> Pushed:
        """Return a signed image in a repository that nobody else has; cosign signs once for all of a kind."""
        if kind not in self._made:
            self._made[kind] = self.sign(kind, content=str(kind), repository=f"made/{len(self._made)}")
        return self._made[kind].copy(self.fresh_repository())

    def fresh_repository(self) -> str:
        """Return a name that no repository has."""
        return f"fresh/{next(self._numbers)}"

    def push(self, content: str = "app", repository: str = "team/app") -> tuple[str, str]:
        """Push an unsigned image; return its repository and digest."""
        return repository, self.registry.push_image(repository, content=content)

    def sign(
        self,
        kind: Kind,
        *options: str,
        content: str = "app",
        repository: str = "team/app",
        key: Path | None = None,
    ) -> Pushed:
        """Push an image and have cosign sign or attest it."""
        repository, digest = self.push(content, repository)
        pushed = Pushed(world=self, kind=kind, repository=repository, digest=digest)
        predicate = ["--type", "slsaprovenance1", "--predicate", "predicate.json"] if kind.attestation else []
        self.cosign.run(
            "attest" if kind.attestation else "sign",
            "--yes",
            *predicate,
            *self._signer(kind.by, key or self.key),
            *self._services(kind),
            *options,
            pushed.reference,
        )
        return pushed

    def import_key(self, name: str, kind: str) -> Path:
        """Make a key of the kind known to cosign; return it as `Cosign.make_key` does."""
        pem = self.cosign.home / f"{name}.pem"
        pem.write_bytes(new_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.cosign.run("import-key-pair", "--key", pem, "--output-key-prefix", name)
        return self.cosign.home / f"{name}.key"

    def signing(self, by: By) -> list[str]:
        """Return the options of cosign's commands that write a bundle."""
        return [*self._signer(by, self.key), *self._services(Kind(by=by, form=Form.BUNDLE))]

    def _signer(self, by: By, key: Path) -> list[str]:
        return ["--key", str(key)] if by.is_key else ["--identity-token", identity_token(SUBJECT, ISSUER)]

    def _services(self, kind: Kind) -> list[str]:
        if kind.form is Form.BUNDLE:
            return ["--signing-config", f"{kind.by.name.lower()}.json", "--trusted-root", "trusted_root.json"]
        url = self.instance.services.url("").removesuffix("/")
        log = ["--tlog-upload=false"] if kind.by is By.KEY else ["--rekor-url", url]
        certificates = [] if kind.by.is_key else ["--fulcio-url", url]
        stamped = kind.by is By.STAMPED_IDENTITY
        timestamps = ["--timestamp-server-url", self.instance.services.url("timestamp")] if stamped else []
        return ["--new-bundle-format=false", "--use-signing-config=false", *log, *certificates, *timestamps]

    def authority(
        self,
        by: By,
        *,
        subject: str = SUBJECT,
        issuer: str = ISSUER,
        key: Path | None = None,
        root: str = "trusted_root.json",
    ) -> SignerTrust:
        """Return whom tidegate is to demand; the defaults are who signed."""
        trust = parse_trust_root((self.cosign.home / root).read_bytes())
        if by.is_key:
            public = parse_public_key((key or self.key).with_suffix(".pub").read_bytes())
            logged = by is By.LOGGED_KEY
            return KeyTrust(key=public, root=trust if logged else None, require_log=logged)
        identity = SigstoreIdentity(issuer=Exact(text=issuer), subject=Exact(text=subject))
        return KeylessTrust(identities=(identity,), root=trust)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """An image in the registry, with what cosign made about it."""

    world: World
    kind: Kind
    repository: str
    digest: str
    required: Mapping[str, Any] = field(default_factory=dict)
    """What is demanded instead of who signed: ``subject``, ``issuer``, ``key`` or ``root``."""

    @property
    def name(self) -> str:
        """Return the repository in full."""
        return f"{self.world.registry.host}/{self.repository}"

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def content(self) -> OciContent:
        return self.world.registry.repositories[self.repository]

    def demanding(self, **required: Any) -> Pushed:
        return dataclasses.replace(self, required=required)

    def material(self) -> SignatureLayer:
        """Return the one layer that cosign made."""
        return self._layer(self._manifest())

    def replace(self, layer: SignatureLayer) -> None:
        """Put another layer in the place of the one that cosign made, every digest fitting again."""
        self._put(self._drop(), layer)

    def move(self) -> Pushed:
        """Say that it is about another image, as anybody who may push can."""
        manifest, layer = self._manifest(), self.material()
        self._drop()
        other = image("another")
        self.content.add(other)
        moved = dataclasses.replace(self, digest=other.digest)
        if "subject" in manifest:
            manifest["subject"] = {"mediaType": other.media_type, "digest": other.digest, "size": len(other.data)}
        moved._put(manifest, layer)
        return moved

    def copy(self, repository: str) -> Pushed:
        """Copy the image and what is about it to another repository, as anybody who may push there can."""
        there = self.world.registry.repositories[repository]
        there.blobs |= self.content.blobs
        there.manifests |= self.content.manifests
        there.tags |= self.content.tags
        return dataclasses.replace(self, repository=repository)

    def verify_by_cosign(self, *options: str) -> str:
        return self.world.cosign.run(*self._verification(), *options)

    def refused_by_cosign(self) -> str:
        return self.world.cosign.refusal(*self._verification())

    def verify_by_tidegate(self, *, at: datetime | None = None, **claims: Any) -> Verification:
        """Verify what is in the registry; see `verify_layer`."""
        return self.verify_layer(self.material(), at=at, **claims)

    def verify_layer(self, layer: SignatureLayer, *, at: datetime | None = None, **claims: Any) -> Verification:
        """Verify as of now; ``claims`` replace those of a plain signature, or of an attestation of provenance."""
        requirements: dict[str, Any] = {
            "artifact": Artifact(digest=Digest(self.digest)),
            "authority": self.world.authority(self.kind.by, **self.required),
            "claims": Claims(
                **({"predicate_type": PROVENANCE if self.kind.attestation else COSIGN_SIGNATURE} | claims)
            ),
            "now": at or now(),
        }
        if self.kind.form is Form.BUNDLE:
            return verify_bundle(layer.content, **requirements)
        return (verify_attestation_layer if self.kind.attestation else verify_signature_layer)(layer, **requirements)

    def _verification(self) -> list[str]:
        defaults = {"subject": SUBJECT, "issuer": ISSUER, "key": self.world.key, "root": "trusted_root.json"}
        required: dict[str, Any] = defaults | dict(self.required)
        identity = ["--certificate-identity", required["subject"], "--certificate-oidc-issuer", required["issuer"]]
        signer = ["--key", str(required["key"].with_suffix(".pub"))] if self.kind.by.is_key else identity
        log = ["--insecure-ignore-tlog"] if self.kind.by is By.KEY else ["--trusted-root", required["root"]]
        stamps = ["--use-signed-timestamps"] if self.kind.by is By.STAMPED_IDENTITY else []
        what = ["verify-attestation", "--type", "slsaprovenance1"] if self.kind.attestation else ["verify"]
        return [*what, *signer, *log, *stamps, self.reference]

    def _tag(self) -> str:
        return f"{self.digest.replace(':', '-')}.{'att' if self.kind.attestation else 'sig'}"

    def _manifest(self) -> dict[str, Any]:
        return json.loads(self.content.manifests[self._manifest_digest()].content)  # type: ignore[no-any-return]

    def _manifest_digest(self) -> str:
        if self.kind.form is Form.LEGACY:
            return self.content.tags[self._tag()]
        # The simulator knows subjects, whether it serves them as referrers or not.
        (referrer,) = self.content.referrers(self.digest, BUNDLE_TYPE)
        return str(referrer["digest"])

    def _layer(self, manifest: dict[str, Any]) -> SignatureLayer:
        (layer,) = manifest["layers"]
        return SignatureLayer(content=self.content.blobs[layer["digest"]], annotations=layer.get("annotations", {}))

    def _drop(self) -> dict[str, Any]:
        manifest = self._manifest()
        self.content.remove(self._manifest_digest())
        return manifest

    def _put(self, manifest: dict[str, Any], layer: SignatureLayer) -> None:
        blob = sha256(layer.content)
        self.content.blobs[blob] = layer.content
        manifest["layers"][0] |= {"digest": blob, "size": len(layer.content)}
        if layer.annotations:
            manifest["layers"][0]["annotations"] = dict(layer.annotations)
        reference = self._tag() if self.kind.form is Form.LEGACY else None
        self.content.put(json.dumps(manifest).encode(), OCI_MANIFEST, reference)


def cosign_world(cosign: Cosign, registry: OciRegistry, services: Services) -> World:
    """Return the parts put together; cosign's home holds a key and every file that its options name."""
    instance = serve_sigstore(services)
    configs = {
        By.KEY: instance.signing_config(certificates=False, log=False),
        By.LOGGED_KEY: instance.signing_config(certificates=False),
        By.IDENTITY: instance.signing_config(),
        By.STAMPED_IDENTITY: instance.signing_config(timestamps=True),
    }
    for by, config in configs.items():
        (cosign.home / f"{by.name.lower()}.json").write_text(config)
    (cosign.home / "trusted_root.json").write_bytes(instance.local.trusted_root_bytes())
    stranger = LocalSigstore(begin=instance.local.begin, end=instance.local.end)
    (cosign.home / "stranger_root.json").write_bytes(stranger.trusted_root_bytes())
    (cosign.home / "predicate.json").write_text(json.dumps(PREDICATE))

    return World(
        cosign=cosign,
        registry=registry,
        instance=instance,
        key=cosign.make_key("ours"),
        stranger_key=cosign.make_key("theirs"),
    )
