"""A trust store holds anchors and nothing else, and a kind of store never stands in for another."""

import pytest

from tests.simulator.pki.certificates import authority, issue
from tests.unit.verify.notation.world import signer
from tidegate.errors import ConfigurationError, PolicyError, UndeterminedError, VerificationError
from tidegate.verify.notation.trust_store import aws_signer_roots
from tidegate.verify.notation.trust_store.store import (
    MAX_FILE_BYTES,
    MAX_STORE_CERTIFICATES,
    MAX_STORE_FILES,
    CertificateStore,
    StoreFile,
    StoreKind,
    StoreName,
    build_certificate_store,
    certificate_stores,
    is_store_name,
    read_certificates,
)

ROOT = signer().root
INTERMEDIATE = authority("Other")
SELF_SIGNED = issue("alone")
LEAF = signer()
CA = StoreName(StoreKind.CA, "acme")
TSA = StoreName(StoreKind.TSA, "acme")
KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def store(*contents: bytes | None, name: StoreName = CA) -> CertificateStore:
    return build_certificate_store(
        name, [StoreFile(name=f"{n}.crt", content=content) for n, content in enumerate(contents)]
    )


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param(ROOT.pem, 1, id="N14-pem"),
        pytest.param(ROOT.der, 1, id="N14-der"),
        pytest.param(ROOT.pem + b"\nsome words\n" + INTERMEDIATE.pem, 2, id="N14-several-pem"),
        pytest.param(ROOT.der + INTERMEDIATE.der, 2, id="N14-several-der"),
        pytest.param(ROOT.pem.replace(b"\n", b"\r\n"), 1, id="N14-windows-lines"),
        pytest.param(SELF_SIGNED.pem, 1, id="N15-self-signed-leaf"),
        pytest.param(INTERMEDIATE.pem, 1, id="N15-intermediate-is-an-authority"),
        pytest.param(ROOT.pem + ROOT.pem, 1, id="N14-same-twice-is-one"),
    ],
)
def test_files_are_read(content: bytes, count: int):
    """PEM and DER, one certificate or many."""
    assert len(store(content).certificates) == count


@pytest.mark.parametrize(
    ("contents", "name", "expected"),
    [
        pytest.param([None], CA, "is not a regular file (directories or symlinks are not supported)", id="N13-link"),
        pytest.param([ROOT.pem, None], CA, "is not a regular file", id="N13-folder-beside-a-file"),
        pytest.param([b"no certificate"], CA, "failed to read the trusted certificate", id="N14-garbage"),
        pytest.param([b""], CA, "no certificate found", id="N14-empty-file"),
        pytest.param([ROOT.pem + KEY], CA, "a PEM block that is not a certificate", id="N14-private-key"),
        pytest.param([ROOT.pem[:-30]], CA, "malformed PEM", id="N14-cut-pem"),
        pytest.param([ROOT.pem.replace(b"M", b"!", 1)], CA, "malformed PEM", id="N14-junk-in-base64"),
        pytest.param([ROOT.der[:-3]], CA, "malformed certificate", id="N14-cut-der"),
        pytest.param([ROOT.der + b"0"], CA, "malformed certificate", id="N14-bytes-behind-der"),
        pytest.param([b" " * (MAX_FILE_BYTES + 1)], CA, "bytes of certificates", id="N14-too-large"),
        pytest.param(
            [LEAF.pem], CA, "is not a CA certificate or self-signed signing certificate", id="N15-leaf-of-an-authority"
        ),
        pytest.param([ROOT.pem, LEAF.pem], CA, "is not a CA certificate", id="N15-one-of-two"),
        pytest.param([INTERMEDIATE.pem], TSA, "is not a root CA certificate", id="N16-intermediate"),
        pytest.param([SELF_SIGNED.pem], TSA, "is not a root CA certificate", id="N16-self-signed-leaf"),
        pytest.param(
            [], CA, 'no x509 certificates were found in trust store "acme" of type "ca"', id="N17-empty-store"
        ),
        pytest.param([ROOT.der + b"\x30\x00"], CA, "malformed certificate", id="N14-empty-sequence-behind-der"),
        pytest.param([ROOT.der + b"\x31\x00"], CA, "malformed certificate", id="N14-another-type-behind-der"),
        pytest.param(
            [ROOT.pem * (MAX_STORE_CERTIFICATES // 2), INTERMEDIATE.pem * (MAX_STORE_CERTIFICATES // 2 + 1)],
            CA,
            f"has more than {MAX_STORE_CERTIFICATES} certificates",
            id="N14-too-many-certificates",
        ),
        pytest.param([ROOT.pem] * (MAX_STORE_FILES + 1), CA, "files", id="N14-too-many-files"),
    ],
)
def test_what_is_no_anchor_is_refused(contents: list, name: StoreName, expected: str):
    """A store with one wrong file is not used at all."""
    with pytest.raises(PolicyError) as caught:
        store(*contents, name=name)
    assert expected in str(caught.value)


def test_every_wrong_file_is_named():
    """All problems at once."""
    with pytest.raises(PolicyError) as caught:
        store(None, b"x", LEAF.pem)
    assert len(caught.value.problems) == 3


def test_a_root_may_anchor_timestamps():
    """A self-signed authority is what a ``tsa`` store is for."""
    assert store(ROOT.pem, name=TSA).certificates[0].der == ROOT.der


@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"N17-missing-{kind}") for kind in StoreKind])
def test_a_missing_store_is_undetermined(kind: StoreKind):
    """A policy that names a store that is not there trusts nobody, and says what is missing."""
    with pytest.raises(UndeterminedError, match=f'the trust store "acme" of type "{kind}" does not exist'):
        certificate_stores([]).certificates([StoreName(kind, "acme")], kind)


def test_only_the_wanted_kind_is_returned():
    """A root for artifacts is none for timestamps, even under the same name."""
    held = certificate_stores([store(ROOT.pem), store(INTERMEDIATE.root.pem, name=TSA)])
    assert [c.der for c in held.certificates([CA, TSA], StoreKind.TSA)] == [INTERMEDIATE.root.der]


@pytest.mark.parametrize("text", ["", "a/b", "..\\a", "a b", "a\n", "é"])
def test_names_are_plain(text: str):
    """A store's name can be no path."""
    assert not is_store_name(text)
    assert is_store_name("a-B_1.c")


def test_any_bytes_are_certificates_or_our_error():
    """Cut anywhere, a file is refused in our words."""
    for cut in range(0, len(ROOT.der), 7):
        with pytest.raises(VerificationError):
            read_certificates(ROOT.der[:cut])


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        (aws_signer_roots.AWS_SIGNER_STORE, "CN=AWS Signer Code Signing Root CA G1"),
        (aws_signer_roots.AWS_GOVCLOUD_SIGNER_STORE, "CN=AWS Signer Code Signing GovCloud (US) Root CA G1"),
    ],
)
def test_the_roots_of_aws_signer_are_the_expected_ones(name: StoreName, subject: str):
    """Each shipped root is found under its store's name only, and is the very certificate of the fingerprint."""
    found = aws_signer_roots.aws_signer_store(name)
    assert found is not None
    assert found.certificates[0].subject.startswith(subject)
    assert [c.fingerprint for c in found.certificates] == [aws_signer_roots.FINGERPRINTS[name]]
    assert aws_signer_roots.aws_signer_store(StoreName(StoreKind.CA, name.name)) is None


def test_an_altered_root_stops_the_program(monkeypatch: pytest.MonkeyPatch):
    """Were the file exchanged, the program would not run with it."""
    other = dict.fromkeys(aws_signer_roots.FINGERPRINTS, "00" * 32)
    monkeypatch.setattr(aws_signer_roots, "FINGERPRINTS", other)
    aws_signer_roots._shipped.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="fingerprints"):
            aws_signer_roots.aws_signer_store(aws_signer_roots.AWS_SIGNER_STORE)
    finally:
        aws_signer_roots._shipped.cache_clear()
