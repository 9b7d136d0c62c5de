"""What the real ``notation`` signs is verified, and what it refuses is refused, by the same policy and trust store."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.interop.judging import envelope_of, now, refused_at, signature_of, verify_envelope
from tests.e2e.interop.layout import REPOSITORY, Layout, layout_with_image
from tests.e2e.interop.programs import Notation
from tests.e2e.interop.services import Services, ocsp_responder, revocation_list, timestamps
from tests.simulator.artifacts import NOTATION_TYPE
from tests.simulator.manifests import image
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.timestamps import timestamp_authority
from tidegate.errors import VerificationError
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.step import Conclusion

FORMATS = {"jws": "application/jose+json", "cose": "application/cose"}
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """An image that notation signed in a layout, and all that is needed to verify it."""

    notation: Notation
    layout: Layout
    digest: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    def sign(self, *options: str) -> None:
        self.notation.run("sign", "--oci-layout", *options, self.layout.reference(self.digest))

    def verify_by_notation(self) -> str:
        return self.notation.run(*self._verification(REPOSITORY))

    def refused_by_notation(self, scope: str = REPOSITORY) -> str:
        return self.notation.refusal(*self._verification(scope))

    def verify_by_tidegate(self, at: datetime | None = None) -> NotationOutcome:
        envelope, media_type = signature_of(self.layout, self.digest)
        target = self.layout.artifact(self.digest)
        return verify_envelope(self.notation, target, envelope, media_type, at=at, metadata=self.metadata)

    def replace_signature(self, manifest: dict[str, Any]) -> None:
        """Put the manifest in the place of the one signature there is."""
        self.layout.drop_referrers()
        self.layout.put_raw(json.dumps(manifest).encode())

    def _verification(self, scope: str) -> list[str]:
        metadata = [f"--user-metadata={name}={value}" for name, value in self.metadata.items()]
        return ["verify", "--oci-layout", "--scope", scope, *metadata, self.layout.reference(self.digest)]


def signer(kind: str = "p256", **options: Any) -> Identity:
    """Return a leaf under an intermediate under a root of their own."""
    return issue(f"signer {kind}", authority(f"Acme {kind}"), kind=kind, purposes=[CODE_SIGNING], **options)


def prepared(notation: Notation, folder: Path, identity: Identity) -> Signed:
    """Return an unsigned image in a layout; notation has the key and trusts its root."""
    layout, digest = layout_with_image(folder / "layout")
    notation.add_key("ours", identity)
    notation.trust("ca:acme", identity.root)
    notation.requirement(REPOSITORY)
    return Signed(notation=notation, layout=layout, digest=digest)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa3072"])
@pytest.mark.parametrize("form", FORMATS)
def test_what_notation_signs_is_verified(notation: Notation, tmp_path: Path, form: str, kind: str) -> None:
    signed = prepared(notation, tmp_path, signer(kind))
    signed.sign("--signature-format", form, "--user-metadata", "team=payments")
    assert "Successfully verified" in signed.verify_by_notation()
    assert signature_of(signed.layout, signed.digest)[1] == FORMATS[form]
    outcome = dataclasses.replace(signed, metadata={"team": "payments"}).verify_by_tidegate()
    assert outcome.conclusion is Conclusion.VERIFIED, outcome
    assert outcome.signer is not None
    assert f"CN=signer {kind}" in outcome.signer.subject
    assert outcome.signing_time is not None
    assert abs(now() - outcome.signing_time) < DAY


@pytest.mark.parametrize("form", FORMATS)
def test_a_timestamp_that_notation_fetched_keeps_a_signature_past_its_certificate(
    notation: Notation, services: Services, tmp_path: Path, form: str
) -> None:
    """A year later the certificate is over; the timestamp says that it was not when it signed."""
    signed = prepared(notation, tmp_path, signer(not_before=now() - DAY, not_after=now() + 30 * DAY))
    tsa = timestamp_authority()
    root = tmp_path / "tsa-root.pem"
    root.write_bytes(tsa.root.pem)
    url = services.serve("timestamp", timestamps(tsa))
    signed.sign("--signature-format", form, "--timestamp-url", url, "--timestamp-root-cert", str(root))
    assert services.asked == ["/timestamp"]
    notation.trust("tsa:acme", tsa.root)
    notation.requirement(REPOSITORY, stores=("ca:acme", "tsa:acme"))
    assert "Successfully verified" in signed.verify_by_notation()
    next_year = now() + 365 * DAY
    assert signed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    assert signed.verify_by_tidegate(at=next_year).conclusion is Conclusion.VERIFIED
    notation.requirement(REPOSITORY)
    step, error = refused_at(signed.verify_by_tidegate(at=next_year))
    assert (step, "it was expired at" in error) == (9, True)


def _trust_a_stranger(signed: Signed) -> Signed:
    for file in (signed.notation.config / "truststore" / "x509" / "ca" / "acme").iterdir():
        file.write_bytes(authority("Stranger").root.pem)
    return signed


def _demand_somebody_else(signed: Signed) -> Signed:
    signed.notation.requirement(REPOSITORY, identities=["x509.subject: C=US, ST=WA, O=Example, CN=somebody else"])
    return signed


def _demand_other_metadata(signed: Signed) -> Signed:
    return dataclasses.replace(signed, metadata={"team": "payments"})


def _move_to_another_image(signed: Signed) -> Signed:
    """Make the signature point at another image, as anybody who may push can."""
    (signature,) = signed.layout.referrers(signed.digest, NOTATION_TYPE)
    other = image("another")
    signed.layout.put(other)
    subject = {"mediaType": other.media_type, "digest": other.digest, "size": len(other.data)}
    signed.replace_signature(signature.parsed | {"subject": subject})
    return dataclasses.replace(signed, digest=other.digest)


def _alter(part: str) -> Callable[[Signed], Signed]:
    """Replace one character of a part of the envelope; its blob, layer and manifest stay consistent."""

    def change(signed: Signed) -> Signed:
        (signature,) = signed.layout.referrers(signed.digest, NOTATION_TYPE)
        envelope = json.loads(envelope_of(signed.layout, signature)[0])
        middle = len(envelope[part]) // 2
        other = "A" if envelope[part][middle] != "A" else "B"
        envelope[part] = envelope[part][:middle] + other + envelope[part][middle + 1 :]
        content = json.dumps(envelope).encode()
        manifest = signature.parsed
        manifest["layers"][0] |= {"digest": signed.layout.write(content), "size": len(content)}
        signed.replace_signature(manifest)
        return signed

    return change


@pytest.mark.parametrize(
    ("change", "step", "text"),
    [
        pytest.param(_trust_a_stranger, 2, "does not contain any trusted certificate", id="wrong key"),
        pytest.param(_demand_somebody_else, 7, "does not match", id="wrong identity"),
        pytest.param(_demand_other_metadata, 5, "unable to find specified metadata", id="metadata that was not signed"),
        pytest.param(_move_to_another_image, 5, "content descriptor mismatch", id="other digest"),
        pytest.param(_alter("payload"), 3, "signature is invalid", id="altered payload"),
        pytest.param(_alter("signature"), 3, "signature is invalid", id="altered signature"),
    ],
)
def test_both_refuse(
    notation: Notation, tmp_path: Path, change: Callable[[Signed], Signed], step: int, text: str
) -> None:
    signed = prepared(notation, tmp_path, signer())
    signed.sign()
    assert "Successfully verified" in signed.verify_by_notation()
    assert signed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    signed = change(signed)
    assert "signature verification failed" in signed.refused_by_notation()
    outcome = signed.verify_by_tidegate()
    assert outcome.conclusion is Conclusion.FAILED
    at, error = refused_at(outcome)
    assert at == step
    assert text in error


@pytest.mark.parametrize("by", ["ocsp", "crl"])
@pytest.mark.parametrize("form", FORMATS)
def test_both_refuse_a_revoked_certificate(
    notation: Notation, services: Services, tmp_path: Path, form: str, by: str
) -> None:
    """Both ask the same service over HTTP, first when it says good, then when it says revoked."""
    urls = [services.url(by)]
    identity = signer(ocsp_urls=urls) if by == "ocsp" else signer(crl_urls=urls)
    good, bad = (
        [ocsp_responder(identity, "good"), ocsp_responder(identity, "revoked")]
        if by == "ocsp"
        else [revocation_list(identity.chain[1]), revocation_list(identity.chain[1], identity)]
    )
    signed = prepared(notation, tmp_path, identity)
    services.serve(by, good)
    signed.sign("--signature-format", form)
    assert "Successfully verified" in signed.verify_by_notation()
    assert signed.verify_by_tidegate().conclusion is Conclusion.VERIFIED
    asked = len(services.asked)
    services.serve(by, bad)
    notation.forget_revocations()
    assert "signature verification failed" in signed.refused_by_notation()
    step, error = refused_at(signed.verify_by_tidegate())
    assert (step, "is revoked" in error) == (10, True)
    assert len(services.asked) >= asked + 2


@pytest.mark.parametrize("form", FORMATS)
def test_a_signature_past_its_expiry_is_refused(notation: Notation, tmp_path: Path, form: str) -> None:
    signed = prepared(notation, tmp_path, signer())
    signed.sign("--signature-format", form, "--expiry", "24h")
    before = signed.verify_by_tidegate(at=now() + DAY / 2)
    assert before.conclusion is Conclusion.VERIFIED
    step, error = refused_at(signed.verify_by_tidegate(at=now() + 2 * DAY))
    assert (step, "digital signature has expired" in error) == (8, True)


def test_a_copy_in_another_repository_is_refused_where_the_policy_names_the_first(
    notation: Notation, tmp_path: Path
) -> None:
    """Notation's payload names no repository; the scope of the policy is what binds a signature to one."""
    signed = prepared(notation, tmp_path, signer())
    signed.sign()
    copy = signed.layout.copy(tmp_path / "copy")
    elsewhere = Signed(notation=notation, layout=copy, digest=signed.digest)
    assert "no applicable" in elsewhere.refused_by_notation("registry.test/another")
    envelope, media_type = signature_of(copy, signed.digest)
    target = copy.artifact(signed.digest)
    with pytest.raises(VerificationError, match="has no applicable oci trust policy statement"):
        verify_envelope(notation, target, envelope, media_type, repository="registry.test/another")
    assert elsewhere.verify_by_tidegate().conclusion is Conclusion.VERIFIED
