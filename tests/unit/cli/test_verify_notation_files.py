"""`tidegate verify --envelope`: each outcome ends with its exit code, its word and the step that decided."""

import os
from datetime import timedelta

import pytest
from cryptography import x509

from tests.simulator.pki.certificates import authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, COSE, DIGEST, JWS, SIGNED_AT, TARGET, sign
from tests.simulator.pki.revocation import crl, entry, ocsp_answer
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.cli.commands import run
from tests.unit.cli.notation_files import (
    AT,
    CRL_URL,
    OCSP_URL,
    REFERENCE,
    in_days,
    revocable,
    signer,
    statement,
    stranger,
)

OTHER_DIGEST = "sha256:" + "cd" * 32


# Verified
@pytest.mark.parametrize("media_type", [JWS, COSE])
def test_a_signature_is_verified_and_its_format_guessed(files, media_type):
    files.envelope.write_bytes(sign(signer(), media_type))
    ended = files.verify()
    assert (ended.code, ended.report["verdict"], ended.report["verified"]) == (0, "verified", True)
    assert media_type in ended.report["signatures"][0]["place"]
    assert set(ended.steps().values()) == {"ok"}
    assert len(ended.steps()) == 10


def test_lines_for_a_person_name_every_step_with_its_outcome_and_end_with_the_verdict(files):
    ended = run(*files.arguments())
    lines = ended.out.splitlines()
    assert lines[0] == REFERENCE
    assert "  as of 2026-02-01T00:00:00Z" in lines
    assert any(line.startswith("   1  ok ") and "read the envelope" in line for line in lines)
    assert any(line.startswith("  10  ok ") for line in lines)
    assert ended.last == "VERIFIED: signed by CN=signer,O=Example,ST=WA,C=US"
    assert "\x1b" not in ended.out


def test_nothing_is_fetched_and_time_is_now_where_none_is_given(files):
    files.envelope.write_bytes(sign(issue("old", authority(), not_after=SIGNED_AT + timedelta(days=1))))
    files.add_store("ca", "acme", authority().root)
    arguments = [one for one in files.arguments("-o", "json") if one not in {"--at", AT}]
    assert len(arguments) == len(files.arguments("-o", "json")) - 2
    ended = run(*arguments)
    assert ended.code == 1
    assert ended.report["at"] > "2026-02-02"


@pytest.mark.parametrize("answer", ["good", "revoked", "unknown", None])
def test_ocsp_answers_come_from_files(files, answer):
    leaf = revocable(ocsp_urls=(OCSP_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    given = () if answer is None else ("--ocsp", files.write("answer.der", ocsp_answer(leaf, status=answer)))
    ended = files.verify(*given)
    assert ended.code == {"good": 0, "revoked": 1, "unknown": 2, None: 2}[answer]
    assert ended.steps()[10] == {"good": "ok", "revoked": "failed", "unknown": "undecided", None: "undecided"}[answer]
    if answer == "revoked":
        assert "is revoked" in ended.report["reason"]


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_crls_come_from_files_in_either_form(files, revoked, form):
    from cryptography.hazmat.primitives.serialization import Encoding

    leaf = revocable(crl_urls=(CRL_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    assert leaf.issuer
    content = crl(leaf.issuer, [entry(leaf)] if revoked else [])
    if form == "PEM":
        content = x509.load_der_x509_crl(content).public_bytes(Encoding.PEM)
    ended = files.verify("--crl", files.write("ca.crl", content))
    assert ended.code == (1 if revoked else 0)
    assert ended.steps()[10] == ("failed" if revoked else "ok")


def test_a_crl_that_is_out_of_date_at_the_given_time_leaves_it_undecided(files):
    leaf = revocable(crl_urls=(CRL_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    assert leaf.issuer
    path = files.write("ca.crl", crl(leaf.issuer))
    assert files.verify("--crl", path).code == 0
    assert files.verify("--crl", path, at=in_days(30)).code == 2


def test_a_timestamp_makes_up_for_a_certificate_that_has_expired(files):
    leaf = issue("brief", authority(), not_after=SIGNED_AT + timedelta(days=1))
    tsa = timestamp_authority()
    files.envelope.write_bytes(sign(leaf, token=lambda signature: issue_token(tsa, signature)))
    files.add_store("ca", "acme", leaf.root)
    later = in_days(400)
    assert files.verify(at=later).code == 1
    files.add_store("tsa", "clock", tsa.root)
    files.trust(statement(stores=("ca:acme", "tsa:clock")))
    assert files.verify(at=later).code == 0


@pytest.mark.parametrize(("wanted", "code"), [("commit=a1b2", 0), ("commit=c3d4", 1), ("build=7", 1)])
def test_metadata_must_have_been_signed(files, wanted, code):
    files.envelope.write_bytes(sign(signer(), target=TARGET | {"annotations": {"commit": "a1b2"}}))
    ended = files.verify("--metadata", wanted)
    assert ended.code == code
    if code == 0:
        assert ended.report["signatures"][0]["facts"]["signed metadata commit"] == "a1b2"


# Not verified
def test_a_stranger_is_refused_at_the_anchor(files):
    files.envelope.write_bytes(sign(stranger()))
    ended = files.verify()
    assert (ended.code, ended.report["verdict"], ended.report["verified"]) == (1, "failed", False)
    assert ended.steps() == {1: "ok", 2: "failed"} | dict.fromkeys(range(3, 11), "not reached")
    assert "does not contain any trusted certificate" in ended.report["reason"]


def test_another_subject_is_refused(files):
    files.trust(statement(identities=["x509.subject: C=US, ST=WA, O=Acme"]))
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[7] == "failed"


def test_the_signature_of_another_digest_is_refused(files):
    files.describe(digest=OTHER_DIGEST)
    ended = files.verify(reference=f"registry.test/app@{OTHER_DIGEST}")
    assert ended.code == 1
    assert ended.steps()[5] == "failed"


def test_a_descriptor_of_another_digest_than_the_reference_is_refused(files):
    ended = files.verify(reference=f"registry.test/app@{OTHER_DIGEST}")
    assert ended.code == 1
    assert ended.report["signatures"] == []
    assert f"describes {DIGEST}" in ended.report["reason"]


@pytest.mark.parametrize("change", [{"size": 1235}, {"mediaType": "application/vnd.oci.image.index.v1+json"}])
def test_size_and_type_of_the_descriptor_count(files, change):
    files.describe(**change)
    assert files.verify().code == 1


@pytest.mark.parametrize("media_type", [JWS, COSE])
def test_an_envelope_of_which_any_part_was_altered_is_not_verified(files, media_type):
    """A byte in each tenth of the envelope; what a signature does not cover may fail as the chain that it is."""
    sound = sign(signer(), media_type, agent=None)
    for place in range(0, len(sound), len(sound) // 10):
        altered = bytearray(sound)
        altered[place] ^= 0x01
        files.envelope.write_bytes(altered)
        assert files.verify().code == 1, place


@pytest.mark.parametrize("content", [b"", b"{}", b"\xd2", b"not an envelope", b"{" * 5000, b"A" * (1024 * 1024 + 1)])
def test_what_is_no_envelope_is_not_verified(files, content):
    files.envelope.write_bytes(content)
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[1] == "failed"


def test_the_wrong_envelope_type_is_not_verified(files):
    ended = files.verify("--envelope-type", "cose")
    assert ended.code == 1
    assert "application/cose" in ended.report["signatures"][0]["place"]
    assert files.verify("--envelope-type", "jws").code == 0


def test_an_expired_signature_is_refused_from_its_expiry_on(files):
    files.envelope.write_bytes(sign(signer(), expiry=SIGNED_AT + timedelta(days=10)))
    assert files.verify(at=in_days(9.9)).code == 0
    ended = files.verify(at=in_days(10))
    assert ended.code == 1
    assert ended.steps()[8] == "failed"
    assert "has expired" in ended.report["reason"]


def test_a_repository_of_no_statement_is_refused_before_any_signature(files):
    ended = files.verify(reference=f"registry.test/other@{DIGEST}")
    assert ended.code == 1
    assert "has no applicable oci trust policy statement" in ended.report["reason"]
    assert ended.report["signatures"] == []


# What a trust policy accepts without verifying
def test_a_failure_that_is_only_logged_is_accepted_and_never_called_verified(files):
    files.envelope.write_bytes(sign(signer(), expiry=SIGNED_AT + timedelta(days=10)))
    files.trust(statement(level="permissive"))
    ended = files.verify(at=in_days(11))
    assert (ended.code, ended.report["verdict"], ended.report["verified"]) == (0, "logged", False)
    assert ended.steps()[8] == "logged"
    last = run(*files.arguments(at=in_days(11))).last
    assert last.startswith("ACCEPTED, BUT NOT VERIFIED: level permissive only logs these failures: expiry: ")


def test_an_untrusted_signer_at_level_audit_is_not_called_a_signer(files):
    files.envelope.write_bytes(sign(stranger()))
    files.trust(statement(level="audit"))
    ended = files.verify()
    assert (ended.code, ended.report["verdict"]) == (0, "logged")
    facts = ended.report["signatures"][0]["facts"]
    assert "signer" not in facts
    assert facts["claims to be"] == "CN=signer,O=Example,ST=WA,C=US"


def test_level_skip_demands_nothing_and_is_not_called_verified(files):
    files.envelope.write_bytes(b"junk")
    files.trust(statement(level="skip"))
    ended = files.verify()
    assert (ended.code, ended.report["verdict"], ended.report["verified"]) == (0, "skipped", False)
    assert run(*files.arguments()).last.startswith("SKIPPED, NOT VERIFIED: ")


def test_a_skipped_check_is_shown_as_skipped(files):
    leaf = revocable(crl_urls=(CRL_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    files.trust(statement(override={"revocation": "skip"}))
    ended = files.verify()
    assert ended.code == 0
    assert ended.steps()[10] == "skipped"


# A stranger's signature that cannot be decided is none
def test_a_trust_store_that_does_not_exist_trusts_nobody(files):
    files.trust(statement(stores=("ca:other",)))
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[2] == "undecided"
    assert "does not exist" in ended.report["reason"]
    assert run(*files.arguments()).last.startswith("NOT VERIFIED: ")


def test_a_signature_of_a_scheme_without_a_trust_store_is_not_verified(files):
    files.envelope.write_bytes(sign(signer(), scheme=AUTHORITY_SCHEME))
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[2] == "undecided"
    assert "no trusted certificates are found" in ended.report["reason"]


def test_a_signature_for_an_unknown_plugin_is_not_verified(files):
    extended = {"io.cncf.notary.verificationPlugin": "acme.plugin"}
    files.envelope.write_bytes(sign(signer(), extended=extended, critical=tuple(extended)))
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[6] == "undecided"


# Trust stores as folders (N13)
def test_a_store_may_hold_several_certificates_as_der(files):
    folder = files.add_store("ca", "acme")
    for each in folder.iterdir():
        each.unlink()
    (folder / "all.der").write_bytes(stranger().root.der + signer().root.der)
    assert files.verify().code == 0


def _link_to_a_certificate(files):
    folder = files.add_store("ca", "acme")
    target = files.write("root.pem", signer().root.pem)
    (folder / "0.pem").unlink()
    (folder / "0.pem").symlink_to(target)


def _folder_inside(files):
    (files.add_store("ca", "acme") / "more").mkdir()


def _link_to_a_store(files):
    folder = files.add_store("ca", "acme")
    folder.rename(files.folder / "elsewhere")
    folder.symlink_to(files.folder / "elsewhere")


def _store_that_is_a_file(files):
    folder = files.add_store("ca", "acme")
    (folder / "0.pem").unlink()
    folder.rmdir()
    folder.write_bytes(signer().root.pem)


def _pipe_inside(files):

    os.mkfifo(files.add_store("ca", "acme") / "pipe")


def _leaf_as_anchor(files):
    files.add_store("ca", "acme", signer())


def _intermediate_as_clock(files):
    assert signer().issuer
    files.add_store("tsa", "clock", signer().issuer)
    files.trust(statement(stores=("ca:acme", "tsa:clock")))


def _empty_store(files):
    for each in files.add_store("ca", "acme").iterdir():
        each.unlink()


def _no_certificate(files):
    (files.add_store("ca", "acme") / "0.pem").write_text("-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_link_to_a_certificate, "is not a regular file"),
        (_folder_inside, "is not a regular file"),
        (_pipe_inside, "is not a regular file"),
        (_link_to_a_store, "symlinks are not supported"),
        (_store_that_is_a_file, "must be a regular directory"),
        (_leaf_as_anchor, "is not a CA certificate or self-signed"),
        (_intermediate_as_clock, "is not a root CA certificate"),
        (_empty_store, "no x509 certificates were found"),
        (_no_certificate, "malformed PEM"),
    ],
)
def test_a_store_that_holds_what_it_must_not_cannot_be_used(files, spoil, words):
    spoil(files)
    ended = files.verify()
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("tidegate: ")
    assert words in ended.err


@pytest.mark.parametrize("name", ["..", "."])
def test_a_store_s_name_never_leads_out_of_its_folder(files, name):
    """Notation's pattern for names takes dots alone."""
    (files.store / "x509" / "root.pem").write_bytes(signer().root.pem)
    files.trust(statement(stores=(f"ca:{name}",)))
    ended = files.verify()
    assert ended.code == 2
    assert "not a plain file name" in ended.err


def test_a_folder_that_is_no_trust_store_is_told_apart(files, tmp_path):
    files.store = tmp_path / "truststore" / "x509"
    ended = files.verify()
    assert ended.code == 2
    assert "has no folder x509" in ended.err
