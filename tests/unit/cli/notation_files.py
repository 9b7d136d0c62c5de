"""A Notation signature with everything that verifies it, written into files as notation keeps them."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import DIGEST, SIGNED_AT, TARGET, rfc3339, sign
from tests.unit.cli.commands import Ended, run

AT = "2026-02-01T00:00:00Z"
REPOSITORY = "registry.test/app"
REFERENCE = f"{REPOSITORY}@{DIGEST}"
CRL_URL = "http://crl.test/ca.crl"
OCSP_URL = "http://ocsp.test"


@cache
def signer() -> Identity:
    """A leaf under an intermediate under a root, without any revocation service."""
    return issue("signer", authority(), purposes=[CODE_SIGNING])


@cache
def stranger() -> Identity:
    """A leaf of an authority that nobody trusts, with the same names."""
    return issue("signer", authority(), purposes=[CODE_SIGNING])


@cache
def revocable(**services: Any) -> Identity:
    return issue("signer", authority(), purposes=[CODE_SIGNING], **services)


def statement(
    name: str = "wabbit",
    *,
    scopes: Sequence[str] = (REPOSITORY,),
    level: str = "strict",
    stores: Sequence[str] = ("ca:acme",),
    identities: Sequence[str] = ("x509.subject: C=US, ST=WA, O=Example",),
    **verification: Any,
) -> dict[str, Any]:
    required = {} if level == "skip" else {"trustStores": list(stores), "trustedIdentities": list(identities)}
    return {
        "name": name,
        "registryScopes": list(scopes),
        "signatureVerification": {"level": level} | verification,
    } | required


class NotationFiles:
    """The files of one case; a test changes them before it verifies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.envelope = folder / "signature"
        self.descriptor = folder / "descriptor.json"
        self.policy = folder / "trustpolicy.json"
        self.store = folder / "truststore"
        self.envelope.write_bytes(sign(signer()))
        self.describe()
        self.trust(statement())
        self.add_store("ca", "acme", signer().root)

    def describe(self, **changes: Any) -> None:
        self.descriptor.write_text(json.dumps(TARGET | changes))

    def trust(self, *statements: Mapping[str, Any]) -> None:
        self.policy.write_text(json.dumps({"version": "1.0", "trustPolicies": list(statements)}, indent=2))

    def add_store(self, kind: str, name: str, *held: Identity) -> Path:
        folder = self.store / "x509" / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, identity in enumerate(held):
            (folder / f"{number}.pem").write_bytes(identity.pem)
        return folder

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def arguments(self, *more: object, reference: str = REFERENCE, at: str = AT) -> list[object]:
        return [
            *("verify", "--envelope", self.envelope, "--descriptor", self.descriptor, "--reference", reference),
            *("--trust-policy", self.policy, "--trust-store", self.store, "--at", at, *more),
        ]

    def verify(self, *more: object, reference: str = REFERENCE, at: str = AT) -> Ended:
        """Verify with JSON as output."""
        return run(*self.arguments("-o", "json", *more, reference=reference, at=at))


def in_days(days: float) -> str:
    """A time so many days after the signing."""
    return rfc3339(SIGNED_AT + timedelta(days=days))
