"""``tidegate verify`` on what real programs made: layouts and bundles, by Notation's own files or Sigstore's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.interop.cosign_world import ISSUER, KINDS, PROVENANCE, SUBJECT, By, Kind, Pushed, World
from tests.e2e.interop.judging import now
from tests.e2e.interop.layout import REPOSITORY, Layout, layout_of, layout_with_image
from tests.e2e.interop.programs import Notation
from tests.e2e.interop.services import Services, revocation_list_bytes
from tests.simulator.artifacts import NOTATION_TYPE
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.unit.cli.commands import Ended, run

VERIFIED, NOT_VERIFIED, UNDECIDED = 0, 1, 2
FORMS = pytest.mark.parametrize("form", ["jws", "cose"])
DAY = timedelta(days=1)


def signed_layout(notation: Notation, folder: Path, identity: Identity, *options: str) -> tuple[Layout, str]:
    """Return a layout whose image notation signed, and the image's digest; notation trusts the signer."""
    layout, digest = layout_with_image(folder / "layout")
    notation.add_key("ours", identity)
    notation.trust("ca:acme", identity.root)
    notation.requirement(REPOSITORY)
    notation.run("sign", "--oci-layout", *options, layout.reference(digest))
    return layout, digest


def by_notation(
    notation: Notation, layout: Layout, digest: str, *options: str | Path, repository: str = REPOSITORY
) -> Ended:
    policy, store = notation.config / "trustpolicy.json", notation.config / "truststore"
    trust = ("--trust-policy", policy, "--trust-store", store, "--reference", repository)
    return run("verify", "--layout", layout.reference(digest), *trust, "-o", "json", *options)


def signer(*, crl_urls: Sequence[str] = ()) -> Identity:
    return issue("signer", authority("Acme"), purposes=[CODE_SIGNING], crl_urls=crl_urls)


@FORMS
def test_a_layout_that_notation_signed(notation: Notation, tmp_path: Path, form: str) -> None:
    options = ("--signature-format", form, "--expiry", "24h", "--user-metadata", "team=payments")
    layout, digest = signed_layout(notation, tmp_path, signer(), *options)
    ended = by_notation(notation, layout, digest)
    assert (ended.code, ended.report["verdict"]) == (VERIFIED, "verified"), ended.out
    assert by_notation(notation, layout, digest, "--metadata", "team=payments").code == VERIFIED
    assert by_notation(notation, layout, digest, "--metadata", "team=others").code == NOT_VERIFIED
    expired = by_notation(notation, layout, digest, "--at", (now() + 2 * DAY).isoformat())
    assert (expired.code, expired.steps()[8]) == (NOT_VERIFIED, "failed")
    assert by_notation(notation, layout, digest, repository="registry.test/another").code == NOT_VERIFIED
    notation.trust("ca:other", authority("Stranger").root)
    notation.requirement(REPOSITORY, stores=("ca:other",))
    stranger = by_notation(notation, layout, digest)
    assert (stranger.code, stranger.steps()[2]) == (NOT_VERIFIED, "failed")


@FORMS
def test_a_layout_that_notation_signed_with_a_certificate_revoked_since(
    notation: Notation, services: Services, tmp_path: Path, form: str
) -> None:
    """The list comes from a file; without one nobody can tell."""
    identity = signer(crl_urls=[services.url("crl")])
    layout, digest = signed_layout(notation, tmp_path, identity, "--signature-format", form)

    def listing(*revoked: Identity) -> Path:
        path = tmp_path / f"{len(revoked)}.crl"
        path.write_bytes(revocation_list_bytes(identity.chain[1], *revoked))
        return path

    good, bad = listing(), listing(identity)
    assert by_notation(notation, layout, digest).code == UNDECIDED
    assert by_notation(notation, layout, digest, "--crl", good).code == VERIFIED
    revoked = by_notation(notation, layout, digest, "--crl", bad)
    assert (revoked.code, revoked.steps()[10]) == (NOT_VERIFIED, "failed")


def test_a_layout_without_the_signature_it_had(notation: Notation, tmp_path: Path) -> None:
    layout, digest = signed_layout(notation, tmp_path, signer())
    assert len(layout.referrers(digest, NOTATION_TYPE)) == 1
    layout.drop_referrers()
    ended = by_notation(notation, layout, digest)
    assert (ended.code, ended.report["signatures"]) == (NOT_VERIFIED, [])


def by_cosign_files(pushed: Pushed, folder: Path, *, subject: str = SUBJECT, key: Path | None = None) -> Ended:
    """Verify a layout with everything of the repository, by cosign's key or the instance's trusted root."""
    layout = layout_of(pushed.content, folder)
    home = pushed.world.cosign.home
    kind = pushed.kind
    identity = ("--certificate-identity", subject, "--certificate-oidc-issuer", ISSUER)
    who = ("--key", (key or pushed.world.key).with_suffix(".pub")) if kind.by.is_key else identity
    log = ("--no-transparency-log",) if kind.by is By.KEY else ("--trusted-root", home / "trusted_root.json")
    what = ("--predicate-type", PROVENANCE) if kind.attestation else ()
    return run("verify", "--layout", layout.reference(pushed.digest), *who, *log, *what, "-o", "json")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_layout_of_what_cosign_pushed(world: World, tmp_path: Path, kind: Kind) -> None:
    pushed = world.signed(kind)
    ended = by_cosign_files(pushed, tmp_path / "layout")
    assert (ended.code, ended.report["verdict"]) == (VERIFIED, "verified"), ended.out
    other = by_cosign_files(pushed, tmp_path / "again", subject="somebody@acme.test", key=world.stranger_key)
    assert (other.code, len(other.report["signatures"])) == (NOT_VERIFIED, 1)
    moved = by_cosign_files(pushed.move(), tmp_path / "moved")
    assert (moved.code, len(moved.report["signatures"])) == (NOT_VERIFIED, 1)


@pytest.mark.parametrize("attested", [False, True], ids=["signature", "attestation"])
@pytest.mark.parametrize("by", By)
def test_a_bundle_that_cosign_wrote_to_a_file(world: World, by: By, attested: bool) -> None:
    home, cosign = world.cosign.home, world.cosign
    artifact, other = home / "artifact", home / "other-artifact"
    artifact.write_bytes(b"an artifact")
    other.write_bytes(b"another artifact")
    bundle = home / f"{by.name}-{attested}.json"
    predicate = ("--type", "slsaprovenance1", "--predicate", "predicate.json") if attested else ()
    verb = "attest-blob" if attested else "sign-blob"
    cosign.run(verb, "--yes", *world.signing(by), *predicate, "--bundle", bundle, artifact)

    identity = ("--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER)
    who = ("--key", world.key.with_suffix(".pub")) if by.is_key else identity
    log = ("--no-transparency-log",) if by is By.KEY else ("--trusted-root", home / "trusted_root.json")
    ended = run("verify", "--bundle", bundle, *who, *log, "-o", "json", artifact)
    assert (ended.code, ended.report["verdict"]) == (VERIFIED, "verified"), ended.out
    assert run("verify", "--bundle", bundle, *who, *log, other).code == NOT_VERIFIED
    if not by.is_key:
        stranger = ("--trusted-root", home / "stranger_root.json")
        assert run("verify", "--bundle", bundle, *who, *stranger, artifact).code == NOT_VERIFIED
    changed = json.loads(bundle.read_bytes())
    signature = changed["dsseEnvelope"]["signatures"][0] if attested else changed["messageSignature"]
    field = "sig" if attested else "signature"
    signature[field] = signature[field][:20] + ("A" if signature[field][20] != "A" else "B") + signature[field][21:]
    bundle.write_text(json.dumps(changed))
    assert run("verify", "--bundle", bundle, *who, *log, artifact).code == NOT_VERIFIED
