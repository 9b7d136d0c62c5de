"""What the hermetic PKI signs, the real ``notation`` accepts: the PKI of all other tests makes what Notation means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.interop.judging import now, signature_of, verify_envelope
from tests.e2e.interop.layout import REPOSITORY, Layout, layout_with_image
from tests.e2e.interop.programs import Notation
from tests.e2e.interop.services import Services, ocsp_responder, revocation_list
from tests.simulator.artifacts import NOTATION, signature
from tests.simulator.manifests import Manifest, image
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, JWS, X509_SCHEME, sign
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tidegate.verify.step import Conclusion

IMAGE = image("app")
FORMATS = [pytest.param(JWS, id="jws"), pytest.param(COSE, id="cose")]


def target(manifest: Manifest = IMAGE) -> dict[str, object]:
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}


def attach(folder: Path, envelope: bytes, media_type: str) -> tuple[Layout, str]:
    """Return a layout with the image, signed by the envelope, and the image's digest."""
    layout, digest = layout_with_image(folder / "layout")
    # notation finds its signatures by the type of their config, at this version, too.
    layout.put(signature(NOTATION, envelope, subject=IMAGE, media_type=media_type, old_notation=True))
    return layout, digest


def verification(layout: Layout, digest: str) -> tuple[str, ...]:
    return ("verify", "--oci-layout", "--scope", REPOSITORY, layout.reference(digest))


def both_accept(notation: Notation, layout: Layout, digest: str) -> None:
    assert "Successfully verified" in notation.run(*verification(layout, digest))
    outcome = verify_envelope(notation, layout.artifact(digest), *signature_of(layout, digest))
    assert outcome.conclusion is Conclusion.VERIFIED, outcome


def leaf(kind: str = "p256", *, ocsp_urls: Sequence[str] = (), crl_urls: Sequence[str] = ()) -> Identity:
    issuer = authority(f"Issuer {kind}")
    return issue(f"leaf {kind}", issuer, kind=kind, purposes=[CODE_SIGNING], ocsp_urls=ocsp_urls, crl_urls=crl_urls)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa3072"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("scheme", "store"),
    [pytest.param(X509_SCHEME, "ca", id="x509"), pytest.param(AUTHORITY_SCHEME, "signingAuthority", id="authority")],
)
def test_both_schemes_in_both_forms(
    notation: Notation, tmp_path: Path, kind: str, form: str, scheme: str, store: str
) -> None:
    identity = leaf(kind)
    envelope = sign(identity, form, target=target(), scheme=scheme, signing_time=now().replace(microsecond=0))
    layout, digest = attach(tmp_path, envelope, form)
    notation.trust(f"{store}:acme", identity.root)
    notation.requirement(REPOSITORY, stores=(f"{store}:acme",), identities=["x509.subject: C=US, ST=WA, O=Example"])
    both_accept(notation, layout, digest)


@pytest.mark.parametrize("form", FORMATS)
def test_a_timestamp(notation: Notation, tmp_path: Path, form: str) -> None:
    identity, tsa, moment = leaf(), timestamp_authority(), now().replace(microsecond=0)
    envelope = sign(
        identity,
        form,
        target=target(),
        signing_time=moment,
        token=lambda signature: issue_token(tsa, signature, moment=moment),
    )
    layout, digest = attach(tmp_path, envelope, form)
    notation.trust("ca:acme", identity.root)
    notation.trust("tsa:acme", tsa.root)
    notation.requirement(REPOSITORY, stores=("ca:acme", "tsa:acme"))
    both_accept(notation, layout, digest)


@pytest.mark.parametrize("by", ["ocsp", "crl"])
def test_the_answers_of_revocation_services(notation: Notation, services: Services, tmp_path: Path, by: str) -> None:
    urls = [services.url(by)]
    identity = leaf(ocsp_urls=urls) if by == "ocsp" else leaf(crl_urls=urls)
    services.serve(by, ocsp_responder(identity, "good") if by == "ocsp" else revocation_list(identity.chain[1]))
    layout, digest = attach(tmp_path, sign(identity, target=target()), JWS)
    notation.trust("ca:acme", identity.root)
    notation.requirement(REPOSITORY)
    both_accept(notation, layout, digest)
    assert len(services.asked) >= 2


@pytest.mark.parametrize("form", FORMATS)
def test_notation_itself_refuses_what_is_wrong(notation: Notation, tmp_path: Path, form: str) -> None:
    """Else the tests above would show nothing."""
    identity = leaf()
    layout, digest = attach(tmp_path, sign(identity, form, target=target(image("another"))), form)
    notation.trust("ca:acme", identity.root)
    notation.requirement(REPOSITORY)
    assert "signature verification failed" in notation.refusal(*verification(layout, digest))
