"""`tidegate verify --bundle`: each outcome ends with its exit code, its word and the step that decided."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulator.pki.sigstore import ISSUER, NOW, SUBJECT, public_pem, stamp, statement
from tests.unit.cli.commands import Ended, run
from tests.unit.verify.sigstore.cases import DIGEST, MANIFEST, OTHER, PROVENANCE, altered, key, ours, signer, strangers

AT = stamp(NOW)
IDENTITY = ("--certificate-identity", SUBJECT)
BY_ISSUER = ("--certificate-oidc-issuer", ISSUER)


class Files:
    """A bundle, a trusted root and a key in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = folder / "bundle.json"
        self.root = folder / "trusted_root.json"
        self.key = folder / "key.pub"
        self.artifact = folder / "artifact"
        self.root.write_bytes(ours().trusted_root_bytes())
        self.key.write_bytes(public_pem(key()))
        self.artifact.write_bytes(MANIFEST)
        self.sign(ours().sign_statement(statement(DIGEST), signer()))

    def sign(self, bundle: dict[str, Any]) -> None:
        self.bundle.write_text(json.dumps(bundle))

    def keyless(self, *more: object, who: tuple[str, ...] = (*IDENTITY, *BY_ISSUER), at: str = AT) -> Ended:
        root = ("--trusted-root", self.root)
        return run("verify", "--bundle", self.bundle, *root, *who, "--at", at, "-o", "json", *more)

    def keyed(self, *more: object) -> Ended:
        return run("verify", "--bundle", self.bundle, "--key", self.key, "--at", AT, "-o", "json", *more)


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


# Verified


@pytest.mark.parametrize("about", ["digest", "digest as argument", "artifact", "artifact as argument", "both"])
def test_what_was_signed_is_given_as_a_digest_or_as_a_file(files, about):
    given = {
        "digest": ("--digest", DIGEST),
        "digest as argument": (DIGEST,),
        "artifact": ("--artifact", files.artifact),
        "artifact as argument": (files.artifact,),
        "both": ("--digest", DIGEST, files.artifact),
    }[about]
    ended = files.keyless(*given)
    assert (ended.code, ended.report["verdict"]) == (0, "verified")
    facts = ended.report["signatures"][0]["facts"]
    assert facts["signer"] == f"{SUBJECT} (issuer {ISSUER})"
    assert facts["signed at"] == AT
    assert facts["predicate type"] == "https://sigstore.dev/cosign/sign/v1"
    assert set(ended.steps().values()) == {"ok"}


def test_a_signature_over_the_artifact_itself_is_verified(files):
    files.sign(ours().sign_artifact(MANIFEST, signer()))
    assert files.keyless(files.artifact).code == 0
    assert files.keyless("--digest", DIGEST).code == 0


def test_lines_for_a_person_end_with_the_verdict(files):
    root = ("--trusted-root", files.root)
    ended = run("verify", "--bundle", files.bundle, *root, *IDENTITY, *BY_ISSUER, "--at", AT, DIGEST)
    lines = ended.out.splitlines()
    assert lines[0] == DIGEST
    assert f"  expected signer {SUBJECT} (issuer {ISSUER}); predicate type any" in lines
    assert any(line.startswith("   1  ok ") for line in lines)
    assert ended.last == f"VERIFIED: signed by {SUBJECT} (issuer {ISSUER})"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (("--certificate-identity-regexp", r"https://github\.com/acme/.+", *BY_ISSUER), 0),
        (("--certificate-identity-regexp", r"https://github\.com/acme/", *BY_ISSUER), 1),
        ((*IDENTITY, "--certificate-oidc-issuer-regexp", r"https://token\..+\.com"), 0),
        ((*IDENTITY, "--certificate-oidc-issuer-regexp", "https://accounts.+"), 1),
        (("--certificate-identity", SUBJECT + "x", *BY_ISSUER), 1),
        ((*IDENTITY, "--certificate-oidc-issuer", ISSUER + "/"), 1),
    ],
)
def test_an_expression_must_fit_the_whole_and_an_exact_text_be_equal(files, who, code):
    ended = files.keyless("--digest", DIGEST, who=who)
    assert ended.code == code
    assert ended.steps()[6] == ("ok" if code == 0 else "failed")


@pytest.mark.parametrize(
    ("wanted", "code"), [((), 0), (("--predicate-type", PROVENANCE), 0), (("--predicate-type", "https://x.test"), 1)]
)
def test_any_predicate_type_counts_unless_one_is_demanded(files, wanted, code):
    files.sign(ours().sign_statement(statement(DIGEST, predicate_type=PROVENANCE, predicate={"a": 1}), signer()))
    ended = files.keyless("--digest", DIGEST, *wanted)
    assert ended.code == code
    assert ended.steps()[11] == ("ok" if code == 0 else "failed")


def test_a_key_verifies_with_its_log_or_expressly_without(files):
    files.sign(ours().sign_statement_keyed(statement(DIGEST), key()))
    ended = files.keyed("--digest", DIGEST, "--trusted-root", files.root)
    assert ended.code == 0
    assert "log index" in ended.report["signatures"][0]["facts"]
    files.sign(ours().sign_statement_keyed(statement(DIGEST), key(), logged=False))
    assert files.keyed("--digest", DIGEST, "--trusted-root", files.root).code == 1
    ended = files.keyed("--digest", DIGEST, "--no-transparency-log")
    assert ended.code == 0
    assert ended.report["signatures"][0]["facts"]["signed at"] == "unknown"


def test_a_key_that_signs_more_than_a_sha256_needs_the_artifact(files):
    large = ec.generate_private_key(ec.SECP384R1())
    files.key.write_bytes(public_pem(large))
    files.sign(ours().sign_artifact_keyed(MANIFEST, large, logged=False, algorithm=hashes.SHA384()))
    assert files.keyed("--no-transparency-log", files.artifact).code == 0
    ended = files.keyed("--no-transparency-log", "--digest", DIGEST)
    assert ended.code == 1
    assert "pass the artifact itself" in ended.report["reason"]


@pytest.mark.parametrize(("hash_name", "code"), [(None, 1), ("sha256", 0), ("sha512", 1)])
def test_the_hash_of_a_key_is_its_curve_s_unless_told(files, hash_name, code):
    """Older versions of cosign sign with SHA-256 by keys of every curve."""
    large = ec.generate_private_key(ec.SECP384R1())
    files.key.write_bytes(public_pem(large))
    files.sign(ours().sign_statement_keyed(statement(DIGEST), large, logged=False, algorithm=hashes.SHA256()))
    told = () if hash_name is None else ("--key-hash", hash_name)
    assert files.keyed("--no-transparency-log", "--digest", DIGEST, *told).code == code


def test_several_artifacts_are_each_verified_and_the_worst_decides_the_exit_code(files, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"another manifest")
    ended = files.keyless(files.artifact, other)
    assert ended.code == 1
    first, second = json.loads(ended.out)
    assert (first["subject"], first["verdict"]) == (str(files.artifact), "verified")
    assert (second["subject"], second["verdict"]) == (str(other), "failed")


# Not verified


def test_another_digest_is_refused(files):
    ended = files.keyless("--digest", OTHER)
    assert (ended.code, ended.report["verdict"], ended.report["verified"]) == (1, "failed", False)
    assert ended.steps()[10] == "failed"


def test_another_key_is_refused(files):
    files.sign(ours().sign_statement_keyed(statement(DIGEST), ec.generate_private_key(ec.SECP256R1())))
    assert files.keyed("--digest", DIGEST, "--trusted-root", files.root).code == 1
    assert files.keyed("--digest", DIGEST, "--no-transparency-log").code == 1


def test_another_instance_is_refused(files):
    files.root.write_bytes(strangers().trusted_root_bytes())
    assert files.keyless("--digest", DIGEST).code == 1


def test_a_signature_made_after_the_certificate_expired_is_refused(files):
    late = NOW + timedelta(days=1)
    files.sign(ours().sign_statement(statement(DIGEST), signer(), at=late))
    assert files.keyless("--digest", DIGEST, at=stamp(late)).code == 1


def test_a_signature_from_the_future_is_refused(files):
    ended = files.keyless("--digest", DIGEST, at=stamp(NOW - timedelta(days=1)))
    assert ended.code == 1
    assert "one of the two clocks is wrong" in ended.report["reason"]


@pytest.mark.parametrize(
    "path", ["dsseEnvelope.payload", "dsseEnvelope.signatures.0.sig", "verificationMaterial.certificate.rawBytes"]
)
def test_an_altered_bundle_is_not_verified(files, path):
    def flip(text: str) -> str:
        return ("A" if text[40] != "A" else "B").join((text[:40], text[41:]))

    files.sign(altered(ours().sign_statement(statement(DIGEST), signer()), path, flip))
    assert files.keyless("--digest", DIGEST).code == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\x00", b'{"a": 1, "a": 2}'])
def test_what_is_no_bundle_is_not_verified(files, content):
    files.bundle.write_bytes(content)
    ended = files.keyless("--digest", DIGEST)
    assert ended.code == 1
    assert ended.steps() == {1: "failed"}


def test_a_kind_of_signer_that_was_not_expected_is_refused(files):
    assert files.keyed("--digest", DIGEST, "--trusted-root", files.root).code == 1
    files.sign(ours().sign_statement_keyed(statement(DIGEST), key()))
    assert files.keyless("--digest", DIGEST).code == 1


# Arguments that cannot be used


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ((), "exactly one of --certificate-identity and"),
        (IDENTITY, "exactly one of --certificate-oidc-issuer and"),
        (BY_ISSUER, "exactly one of --certificate-identity and"),
        ((*IDENTITY, "--certificate-identity-regexp", "a.+", *BY_ISSUER), "exactly one of --certificate-identity and"),
        (("--certificate-identity", "", *BY_ISSUER), "--certificate-identity: required"),
        (
            ("--certificate-identity-regexp", "(", *BY_ISSUER),
            "--certificate-identity-regexp: got '(', expected a regular expression in RE2's syntax",
        ),
        (("--certificate-identity-regexp", ".*", *BY_ISSUER), "does not match every identity"),
        ((*IDENTITY, *BY_ISSUER, "--key-hash", "sha256"), "go with --key only"),
        ((*IDENTITY, *BY_ISSUER, "--no-transparency-log"), "go with --key only"),
    ],
)
def test_the_signer_must_be_said_once_and_in_full(files, who, words):
    ended = files.keyless("--digest", DIGEST, who=who)
    assert ended.code == 2
    assert ended.out == ""
    assert words in ended.err


def test_a_key_excludes_an_identity_and_needs_a_root_or_no_log(files):
    assert "exclude each other" in files.keyed("--digest", DIGEST, *IDENTITY, "--trusted-root", files.root).err
    ended = files.keyed("--digest", DIGEST)
    assert ended.code == 2
    assert "--key needs --trusted-root" in ended.err


def test_an_identity_needs_a_root(files):
    ended = run("verify", "--bundle", files.bundle, *IDENTITY, *BY_ISSUER, DIGEST)
    assert ended.code == 2
    assert "needs --trusted-root" in ended.err


@pytest.mark.parametrize("content", [b"", b"{}", b'{"mediaType": "x"}'])
def test_what_is_no_trusted_root_cannot_be_used(files, content):
    files.root.write_bytes(content)
    ended = files.keyless("--digest", DIGEST)
    assert ended.code == 2
    assert "trusted_root.json: " in ended.err


def test_what_is_no_public_key_cannot_be_used(files):
    files.key.write_text("ssh-ed25519 AAAA")
    ended = files.keyed("--digest", DIGEST, "--no-transparency-log")
    assert ended.code == 2
    assert "--key: got text that is not a public key" in ended.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "--bundle needs what was signed"),
        (("--digest", "sha256:ab"), "--digest: expected sha256:"),
        (("missing.tar",), "missing.tar: cannot be read: no such file"),
        (("--crl", __file__, "--digest", DIGEST), "--crl does not go with --bundle"),
        (("--layout", ".", "--digest", DIGEST), "exactly one of --envelope, --bundle, --layout and"),
    ],
)
def test_what_was_signed_must_be_said(files, given, words):
    ended = files.keyless(*given)
    assert ended.code == 2
    assert words in ended.err


def test_a_digest_beside_an_artifact_must_be_the_artifact_s(files):
    ended = files.keyless("--digest", OTHER, files.artifact)
    assert ended.code == 2
    assert "but --digest is" in ended.err


def test_without_any_form_the_command_says_which_there_are():
    ended = run("verify")
    assert ended.code == 2
    assert "--envelope" in ended.err
