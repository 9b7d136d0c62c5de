"""Who signed is who a demanded identity says, whatever else a certificate's names are made to look like."""

import pytest
from cryptography import x509

from tests.simulator.pki.sigstore import ISSUER, SUBJECT, statement, uri
from tests.unit.verify.sigstore.cases import DIGEST, check, ends, keyless, ours, passes, root, signer
from tidegate.errors import PolicyError
from tidegate.strict.pattern import Exact, Pattern
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.sigstore.signer_trust import MAX_SHOWN, KeylessTrust

GITHUB = r"https://github\.com/acme/[^/]+/\.github/workflows/release\.yaml@refs/heads/main"
FULCIO_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")


def identity(subject, issuer=ISSUER):
    return SigstoreIdentity(issuer=Exact(text=issuer), subject=subject)


def by(*identities):
    return KeylessTrust(identities=identities, root=root())


def signed(**certificate):
    return ours().sign_statement(statement(DIGEST), ours().signer(**certificate))


def test_an_authority_of_nobody_is_refused():
    with pytest.raises(PolicyError, match="at least one"):
        KeylessTrust(identities=(), root=root())


def test_gap_regular_expressions_any_of_several_identities_may_have_signed():
    nobody = identity(Exact(text="nobody"))
    bundle = ours().sign_statement(statement(DIGEST), signer())
    passes(check(bundle, by(nobody, identity(Pattern(text=GITHUB)))))
    result = check(bundle, by(nobody, identity(Pattern(text=r"https://github\.com/acme"))))
    ends(result, SigstoreStep.IDENTITY, "expected subject 'nobody'")
    assert r"or subject expression 'https://github\\.com/acme', issuer" in result.steps[-1].text


def test_a_message_names_a_few_identities_not_all():
    result = check(signed(), by(*(identity(Exact(text=f"nobody-{number}")) for number in range(MAX_SHOWN + 1))))
    ends(result, SigstoreStep.IDENTITY, f"nobody-{MAX_SHOWN - 1}")
    assert f"nobody-{MAX_SHOWN}" not in result.steps[-1].text


def test_pitfall_9_20_one_identity_s_issuer_and_another_s_subject_are_nobody():
    first, second = identity(Exact(text="nobody")), identity(Exact(text=SUBJECT), issuer="https://other.test")
    ends(check(signed(), by(first, second)), SigstoreStep.IDENTITY)


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(SUBJECT + "\0", id="pitfall-9-18: a NUL at the end"),
        pytest.param(SUBJECT + "\0.evil.test", id="pitfall-9-18: more after a NUL"),
        pytest.param(SUBJECT + "\n", id="pitfall-9-18: a line's end"),
        pytest.param(SUBJECT + "/../../evil", id="pitfall-9-18: a path upwards"),
        pytest.param(SUBJECT.replace("acme", "acme.evil"), id="pitfall-9-18: a longer owner"),
        pytest.param(SUBJECT.replace("github.com", "github.com@evil.test"), id="pitfall-9-18: another host"),
        pytest.param(SUBJECT.replace("github.com", "githubxcom"), id="pitfall-9-18: a dot is a dot"),
        pytest.param(SUBJECT.upper(), id="other letters"),
        pytest.param(" " + SUBJECT, id="a space before"),
    ],
)
@pytest.mark.parametrize("wanted", [Exact(text=SUBJECT), Pattern(text=GITHUB)], ids=["exact", "expression"])
def test_pitfall_9_18_a_name_that_only_looks_like_the_demanded_one_is_another(subject, wanted):
    ends(check(signed(subject=subject), by(identity(wanted))), SigstoreStep.IDENTITY, "signed by")


@pytest.mark.parametrize(
    ("issuer", "ok"),
    [
        (ISSUER, True),
        (ISSUER + "/", False),
        (ISSUER + "\0", False),
        (ISSUER + ".evil.test", False),
        (ISSUER[:-1], False),
    ],
)
def test_pitfall_9_20_an_issuer_that_only_looks_like_the_demanded_one_is_another(issuer, ok):
    result = check(signed(issuer=issuer))
    passes(result) if ok else ends(result, SigstoreStep.IDENTITY, "signed by")


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        pytest.param(uri(SUBJECT), SUBJECT, id="URI"),
        pytest.param(x509.RFC822Name("release@acme.test"), "release@acme.test", id="e-mail"),
        pytest.param(x509.OtherName(FULCIO_NAME, b"\x0c\x04user"), "user", id="Fulcio's own"),
    ],
)
def test_every_kind_of_name_that_fulcio_gives_is_read(name, subject):
    passes(check(signed(names=[name]), keyless(subject=subject)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(x509.DNSName("acme.test"), id="a host"),
        pytest.param(x509.DirectoryName(x509.Name([])), id="a distinguished name"),
        pytest.param(x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), id="a number"),
        pytest.param(x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x04user"), id="a stranger's other name"),
        pytest.param(x509.OtherName(FULCIO_NAME, b"\x16\x04user"), id="Fulcio's own, not as UTF8String"),
        pytest.param(x509.OtherName(FULCIO_NAME, b"\x0c\x00"), id="Fulcio's own, empty"),
        pytest.param(uri(""), id="nothing"),
    ],
)
def test_other_kinds_of_names_name_nobody(name):
    ends(check(signed(names=[name]), keyless(subject="user")), SigstoreStep.CERTIFICATE)


def test_pitfall_9_20_names_of_two_kinds_with_one_text_are_still_two_names():
    names = [x509.RFC822Name("release@acme.test"), uri("release@acme.test")]
    ends(check(signed(names=names), keyless(subject="release@acme.test")), SigstoreStep.CERTIFICATE, "2 subject")
