"""trusted_root.json: the whole file is read or refused, windows are kept, and a file is all that an air gap needs."""

import importlib.resources
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.simulator.pki.sigstore import NOW, V01, V02, V03, LocalSigstore, simple_signing, statement
from tests.simulator.pki.sigstore_log import b64, spki
from tests.unit.verify.sigstore.cases import (
    DIGEST,
    MANIFEST,
    altered,
    check,
    check_layer,
    ends,
    key,
    keyed,
    keyless,
    ours,
    passes,
    root,
    signer,
    strangers,
)
from tidegate.errors import PolicyError
from tidegate.verify.sigstore.procedure import SigstoreStep, UnforeseenError
from tidegate.verify.sigstore.trust_root import (
    KEY_DETAILS,
    MAX_CHAIN,
    MAX_INSTANCES,
    MAX_TRUST_ROOT_BYTES,
    LogKey,
    TrustedAuthority,
    TrustRoot,
    Window,
    parse_trust_root,
    valid_at,
)

LISTS = ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"]


def parse(content):
    return parse_trust_root(content if isinstance(content, bytes) else json.dumps(content).encode())


def refused(content):
    with pytest.raises(PolicyError) as caught:
        parse(content)
    return caught.value.problems


@pytest.mark.parametrize("instance", ["sigstore.dev", "sigstage.dev"])
def test_the_public_instances_roots_are_read_whole(instance):
    """As sigstore-python ships them: several generations of keys, of which the old ones have an end."""
    store = importlib.resources.files("sigstore._store") / f"https%3A%2F%2Ftuf-repo-cdn.{instance}"
    trust = parse((store / "trusted_root.json").read_bytes())
    assert trust.logs
    assert trust.authorities
    assert trust.certificate_logs
    assert trust.ignored == ()
    ended = [one for one in (*trust.authorities, *trust.certificate_logs, *trust.logs) if one.window.end]
    assert ended
    assert all(one.window.start for one in ended)


def test_air_gap_a_root_from_a_file_is_all_that_every_kind_of_signature_needs(monkeypatch, tmp_path):
    """No TUF, no home, no cache, no clock, and (see conftest) no network."""
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    private = LocalSigstore()
    trust = parse_trust_root(private.trusted_root_bytes())
    by = private.signer()
    identity = keyless(trust=trust)
    for version in (V01, V02, V03):
        passes(check(private.sign_statement(statement(DIGEST), by, version=version), identity))
    passes(check(private.sign_artifact(MANIFEST, by), identity))
    passes(check(private.sign_statement_v2(statement(DIGEST), by), identity))
    payload = simple_signing(DIGEST)
    passes(check_layer(payload, private.sign_layer(payload, by), identity))
    passes(check(private.sign_statement_keyed(statement(DIGEST), key()), keyed(root=trust)))
    passes(
        check(private.sign_statement_keyed(statement(DIGEST), key(), logged=False), keyed(root=None, require_log=False))
    )
    assert not (tmp_path / "missing").exists()
    ends(check(private.sign_statement(statement(DIGEST), by)), SigstoreStep.CHAIN)


def test_a_root_of_two_generations_believes_each_in_its_time():
    old, new = ours(), strangers()
    day = timedelta(days=1)

    def both(field):
        (before,), (after,) = old.trusted_root()[field], new.trusted_root()[field]
        ended = {"start": (NOW - 9 * day).isoformat(), "end": NOW.isoformat()}
        begun = {"start": (NOW + day).isoformat()}
        if "publicKey" not in before:
            return [before | {"validFor": ended}, after | {"validFor": begun}]
        return [
            before | {"publicKey": before["publicKey"] | {"validFor": ended}},
            after | {"publicKey": after["publicKey"] | {"validFor": begun}},
        ]

    trust = parse(old.trusted_root() | {field: both(field) for field in LISTS})
    later = NOW + 2 * day
    for instance, at, ok in ((old, NOW, True), (new, later, True), (old, later, False), (new, NOW, False)):
        bundle = instance.sign_statement(statement(DIGEST), instance.signer(at=at), at=at)
        result = check(bundle, keyless(trust=trust), now=NOW + 9 * day)
        passes(result) if ok else ends(result, SigstoreStep.CHAIN)


def test_a_window_includes_both_ends():
    window = Window(start=NOW, end=NOW + timedelta(days=1))
    second = timedelta(seconds=1)
    assert [
        window.contains(NOW + late) for late in (-second, 0 * second, timedelta(days=1), timedelta(days=1) + second)
    ] == [
        False,
        True,
        True,
        False,
    ]
    assert Window(start=None, end=None).contains(NOW)
    assert Window(start=NOW, end=None).contains(NOW + timedelta(days=9999))
    one = LogKey(url="", der=b"", details="", window=window)
    assert valid_at([one], NOW, NOW + timedelta(days=1)) == (one,)
    assert valid_at([one], NOW, NOW + timedelta(days=2)) == ()
    assert valid_at([one]) == (one,)


def test_what_is_not_there_is_empty_and_unknown_fields_are_left_alone():
    empty = parse({"mediaType": ours().trusted_root()["mediaType"], "rekorV9": []})
    assert empty == TrustRoot(logs=(), certificate_logs=(), authorities=(), timestamp_authorities=())
    assert parse(ours().trusted_root(mediaType="application/vnd.dev.sigstore.trustedroot.v0.2+json")) == root()


def with_log(**public):
    (one,) = ours().trusted_root()["tlogs"]
    return ours().trusted_root(tlogs=[one | {"publicKey": one["publicKey"] | public}])


def der_of(private) -> str:
    return b64(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    ("private", "details"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "PKIX_ECDSA_P256_SHA_256"),
        (ec.generate_private_key(ec.SECP384R1()), "PKIX_ECDSA_P384_SHA_384"),
        (ec.generate_private_key(ec.SECP521R1()), "PKIX_ECDSA_P521_SHA_512"),
        (ed25519.Ed25519PrivateKey.generate(), "PKIX_ED25519"),
        (rsa.generate_private_key(65537, 2048), "PKIX_RSA_PKCS1V15_2048_SHA256"),
        (rsa.generate_private_key(65537, 2048), "PKCS1_RSA_PKCS1V5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_of_every_known_kind_are_read_and_of_no_other_under_its_name(private, details):
    trust = parse(with_log(rawBytes=der_of(private), keyDetails=details))
    assert [one.details for one in trust.logs] == [details]
    for other in (name for name, kind in KEY_DETAILS.items() if kind is not KEY_DETAILS[details]):
        (problem,) = refused(with_log(rawBytes=der_of(private), keyDetails=other))
        assert problem.startswith("tlogs[0]: publicKey: not a key of the kind")


def test_pitfall_9_8_a_short_rsa_key_of_a_log_is_refused():
    short = rsa.generate_private_key(65537, 1024)
    (problem,) = refused(with_log(rawBytes=der_of(short), keyDetails="PKIX_RSA_PKCS1V15_2048_SHA256"))
    assert "not a key of the kind" in problem


def test_a_log_s_key_may_come_without_a_window_and_an_authority_may_not():
    (log,) = ours().trusted_root()["tlogs"]
    trust = parse(ours().trusted_root(tlogs=[altered(log, "publicKey.validFor", None)]))
    assert trust.logs[0].window == Window(start=None, end=None)
    passes(check(ours().sign_statement(statement(DIGEST), signer()), keyless(trust=trust)))


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_no_date_elsewhere_is_refused(start):
    (problem,) = refused(altered(ours().trusted_root(), WINDOW, {"start": start}))
    assert problem == "certificateAuthorities[0]: unreadable (OverflowError)"


def test_a_key_of_a_kind_that_is_not_known_yet_is_left_out_and_named():
    trust = parse(with_log(keyDetails="PKIX_ML_DSA_65"))
    assert trust.logs == ()
    assert trust.ignored == ('tlogs[0].publicKey.keyDetails: "PKIX_ML_DSA_65" cannot be used',)


CHAIN = "certificateAuthorities.0.certChain.certificates"
WINDOW = "certificateAuthorities.0.validFor"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("mediaType", "application/json", "mediaType:"),
        ("mediaType", None, "trustedRoot:"),
        ("tlogs", {}, "trustedRoot:"),
        ("tlogs.0.publicKey", None, "trustedRoot:"),
        ("tlogs.0.publicKey.rawBytes", "?", "tlogs[0]: publicKey.rawBytes"),
        ("tlogs.0.publicKey.rawBytes", b64(b"none"), "tlogs[0]: unreadable"),
        ("tlogs.0.publicKey.validFor", {}, "tlogs[0]: validFor has no start"),
        ("tlogs.0.publicKey.validFor", {"start": "2026-01-01T00:00:00"}, "tlogs[0]: validFor is a time without a zone"),
        ("tlogs.0.publicKey.validFor", {"start": "yesterday"}, "trustedRoot:"),
        ("ctlogs.0.publicKey.rawBytes", b64(b"none"), "ctlogs[0]: unreadable"),
        (CHAIN, [], "certificateAuthorities[0]: certChain: 0 certificates"),
        (CHAIN, lambda old: old * (MAX_CHAIN // 2) + old[:1], "certChain: 11 certificates"),
        (f"{CHAIN}.0.rawBytes", b64(b"none"), "certificateAuthorities[0]: unreadable"),
        (f"{CHAIN}.0.rawBytes", "", "certificateAuthorities[0]: unreadable"),
        (WINDOW, None, "certificateAuthorities[0]: validFor is missing"),
        (WINDOW, {}, "certificateAuthorities[0]: validFor has no start"),
        (WINDOW, {"start": NOW.isoformat(), "end": "2026-01-01T00:00:00"}, "without a zone"),
        ("timestampAuthorities.0.validFor", None, "timestampAuthorities[0]: validFor is missing"),
        *((field, lambda old: old * (MAX_INSTANCES + 1), f"{field}: 65 entries, more than 64") for field in LISTS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_refuses_the_whole_file_and_names_its_place(path, value, text):
    problems = refused(altered(ours().trusted_root(), path, value))
    assert any(text in problem for problem in problems), problems


def renamed(tag: int) -> str:
    """Return the root's certificate with its name in a value of another ASN.1 type."""
    der = ours().root.public_bytes(Encoding.DER)
    broken = der.replace(b"\x0c\x0dsigstore root", bytes([tag]) + b"\x0dsigstore root")
    assert broken != der
    assert x509.load_der_x509_certificate(broken).public_key()
    return b64(broken)


@pytest.mark.parametrize("field", ["certificateAuthorities", "timestampAuthorities"])
def test_pitfall_9_17_a_certificate_is_read_whole_while_the_file_is(field):
    path = f"{field}.0.certChain.certificates.1.rawBytes"
    (problem,) = refused(altered(ours().trusted_root(), path, renamed(tag=0x05)))
    assert problem == f"{field}[0]: unreadable (ValueError)"


def test_pitfall_9_17_a_panic_of_a_rust_library_is_our_error(capfd):
    """An OCTET STRING for a name: cryptography reads it, and rfc3161-client panics over it."""
    path = "timestampAuthorities.0.certChain.certificates.1.rawBytes"
    trust = parse(altered(ours().trusted_root(), path, renamed(tag=0x04)))
    bundle = ours().sign_statement(statement(DIGEST), signer(), timestamped=True, integrated=False)
    result = check(bundle, keyless(trust=trust))
    ends(result, SigstoreStep.TIME, "unreadable (PanicException)")
    assert result.error
    assert not isinstance(result.error, UnforeseenError)
    capfd.readouterr()  # Rust prints where it was.


def test_everything_that_is_wrong_is_said_at_once():
    content = altered(ours().trusted_root(), WINDOW, None)
    content = altered(content, "tlogs.0.publicKey.rawBytes", "?")
    content = altered(content, "timestampAuthorities.0.certChain.certificates", [])
    assert [problem.split(":")[0] for problem in refused(content)] == [
        "tlogs[0]",
        "certificateAuthorities[0]",
        "timestampAuthorities[0]",
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"[" * 10_000, id="pitfall-9-7: endlessly nested"),
        pytest.param(b" " * (MAX_TRUST_ROOT_BYTES + 1), id="pitfall-9-7: huge"),
        pytest.param(b'{"mediaType": "x", "mediaType": "y"}', id="pitfall-9-10: a key twice"),
    ],
)
def test_what_is_no_trusted_root_is_refused_with_the_policy(content):
    (problem,) = refused(content)
    assert problem.startswith("trustedRoot:")
    assert ("more than" in problem) is (len(content) > MAX_TRUST_ROOT_BYTES)


def test_keys_and_chains_are_kept_as_they_were_given():
    trust = root()
    assert [one.der for one in trust.logs] == [spki(ours().log.key)]
    (authority,) = trust.authorities
    assert isinstance(authority, TrustedAuthority)
    assert [x509.load_der_x509_certificate(der) for der in authority.chain] == [ours().intermediate, ours().root]
    assert trust.logs[0].window.start == NOW - timedelta(days=100)


def test_pitfall_9_19_another_root_is_another_trust():
    """What was verified under the old root says nothing under the new one."""
    bundle = ours().sign_statement(statement(DIGEST), signer())
    passes(check(bundle))
    rolled = parse(strangers().trusted_root())
    ends(check(bundle, keyless(trust=rolled)), SigstoreStep.CHAIN)
    for field, step in (
        ("tlogs", SigstoreStep.LOG),
        ("ctlogs", SigstoreStep.SCT),
        ("certificateAuthorities", SigstoreStep.CHAIN),
    ):
        mixed = root(**{field: strangers().trusted_root()[field]})
        ends(check(bundle, keyless(trust=mixed)), step)
