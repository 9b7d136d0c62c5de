"""CRLs, base and delta: only a current one of the issuer that covers the certificate says anything about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from asn1crypto import core
from cryptography import x509

from tests.simulator.pki.certificates import EPOCH, Identity, authority, issue
from tests.simulator.pki.revocation import NOW, crl, entry
from tidegate.errors import UndeterminedError
from tidegate.verify.notation.revocation.crl import Crl, check_delta, crl_standing, load_crl
from tidegate.verify.notation.revocation.material import MAX_CRL_BYTES, Standing
from tidegate.verify.notation.revocation.ocsp import CLOCK_SKEW
from tidegate.verify.notation.x509.certificate import load_certificate

SECOND = timedelta(seconds=1)
URL = "http://crl.test/a.crl"
CA = authority()
LEAF = issue("leaf", CA, crl_urls=[URL])
STRANGER = authority("Stranger")
IMPOSTOR = issue("impostor", STRANGER, ca=True, subject=CA.certificate.subject)
NEXT = NOW + timedelta(days=1)
INVALID = EPOCH + timedelta(days=20)
HOLD = x509.ReasonFlags.certificate_hold
REMOVED = x509.ReasonFlags.remove_from_crl
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), core.Null().dump())


def load(content: bytes, *, about: Identity = LEAF, now: datetime = NOW, urls: Sequence[str] = (URL,)) -> Crl:
    assert about.issuer is not None
    return load_crl(content, load_certificate(about.der), load_certificate(about.issuer.der), urls=urls, now=now)


def judge(*contents: bytes, signed: datetime | None = None) -> Standing:
    return crl_standing(
        load_certificate(LEAF.der), [load(content) for content in contents], authentic_signing_time=signed
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(crl(CA), id="N67-empty-list"),
        pytest.param(crl(CA, [entry(STRANGER)]), id="N67-other-serial"),
        pytest.param(crl(CA, number=None), id="N67-no-number"),
        pytest.param(crl(CA, scope={"url": URL}), id="N67-scope-of-the-certificates-url"),
        pytest.param(crl(CA, scope={"user": True}), id="N67-scope-of-leaves"),
        pytest.param(crl(CA, extensions=[(UNKNOWN, False)]), id="N67-unknown-extension-that-may-be-ignored"),
        pytest.param(
            crl(CA, [entry(STRANGER, extensions=[(UNKNOWN, True)])]), id="N67-critical-extension-of-another-entry"
        ),
    ],
)
def test_a_certificate_that_is_not_listed_is_good(content: bytes):
    """Until the next update."""
    assert judge(content) == Standing(revoked=False, good_until=NEXT)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"N67-issuer-{kind}") for kind in ("rsa2048", "p384", "p521")])
def test_issuers_of_other_kinds_sign_lists(kind: str):
    """Whatever the kind of the key."""
    about = issue("leaf", authority(kind=kind))
    assert about.issuer is not None
    assert load(crl(about.issuer, digest="sha512"), about=about).next_update == NEXT


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(crl(STRANGER), "CRL is not signed by CA", id="N67-other-issuer"),
        pytest.param(crl(CA, signer=STRANGER), "CRL is not signed by CA", id="N67-other-key-under-the-issuers-name"),
        pytest.param(crl(IMPOSTOR), "CRL is not signed by CA", id="N67-another-issuer-of-that-name"),
        pytest.param(
            crl(issue("twin", STRANGER, ca=True, own_key=CA.key)),
            "CRL is not signed by CA",
            id="N67-the-issuers-key-under-another-name",
        ),
        pytest.param(crl(CA.root), "CRL is not signed by CA", id="N67-list-of-the-root"),
        pytest.param(crl(CA, digest="sha1"), "CRL is not signed by CA", id="N67-sha1-signature"),
        pytest.param(
            crl(CA, extensions=[(UNKNOWN, True)]),
            "unsupported critical extension found in CRL: 1.2.3.4",
            id="N67-critical-extension",
        ),
        pytest.param(crl(CA, scope={"ca": True}), "does not cover the certificate", id="N67-scope-of-authorities"),
        pytest.param(
            crl(CA, scope={"attributes": True}), "does not cover the certificate", id="N67-scope-of-attributes"
        ),
        pytest.param(crl(CA, scope={"indirect": True}), "does not cover the certificate", id="N67-indirect"),
        pytest.param(
            crl(CA, scope={"reasons": frozenset({x509.ReasonFlags.key_compromise})}),
            "does not cover the certificate",
            id="N67-some-reasons",
        ),
        pytest.param(
            crl(CA, scope={"url": "http://crl.test/b.crl"}),
            "does not cover the certificate",
            id="N67-scope-of-another-url",
        ),
        pytest.param(
            crl(CA, scope={"names": [x509.DNSName("crl.test")]}),
            "does not cover the certificate",
            id="N67-scope-of-a-name-that-is-no-url",
        ),
        pytest.param(
            crl(
                CA,
                scope={
                    "relative": x509.RelativeDistinguishedName(
                        [x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "part 1")]
                    )
                },
            ),
            "does not cover the certificate",
            id="N67-scope-of-a-relative-name",
        ),
        pytest.param(b"", "malformed CRL", id="N67-empty-body"),
        pytest.param(b"-----BEGIN X509 CRL-----", "malformed CRL", id="N67-pem"),
        pytest.param(crl(CA)[:-1], "malformed CRL", id="N67-cut"),
        pytest.param(b"0" * (MAX_CRL_BYTES + 1), "bytes, more than", id="N65-list-too-large"),
        pytest.param(b"0" * MAX_CRL_BYTES, "malformed CRL", id="N65-list-as-large-as-may-be"),
    ],
)
def test_what_does_not_count_is_no_list(content: bytes, expected: str):
    """A certificate's absence from such a list would mean nothing."""
    with pytest.raises(UndeterminedError, match=expected):
        load(content)


@pytest.mark.parametrize(
    ("options", "good"),
    [
        pytest.param({"usages": ("key_cert_sign", "crl_sign")}, True, id="N67-authority-may-sign-lists"),
        pytest.param({"usages": ("key_cert_sign",)}, False, id="N67-authority-may-not-sign-lists"),
        pytest.param({"usage": False}, True, id="N67-authority-without-usages"),
    ],
)
def test_the_issuer_must_be_allowed_to_sign_lists(options: dict[str, Any], *, good: bool):
    """Where it has key usages at all (RFC 5280, section 6.3.3 f)."""
    ca = issue("odd authority", CA.root, ca=True, **options)
    about = issue("leaf", ca)
    if good:
        assert not load(crl(ca), about=about).is_delta
    else:
        with pytest.raises(UndeterminedError, match="its key usage does not allow it"):
            load(crl(ca), about=about)


def test_lists_for_authorities_cover_authorities():
    """A list of leaves says nothing about the authority that issued them, and the reverse."""
    assert not load(crl(CA.root, scope={"ca": True}), about=CA).is_delta
    with pytest.raises(UndeterminedError, match="does not cover"):
        load(crl(CA.root, scope={"user": True}), about=CA)


@pytest.mark.parametrize(
    ("now", "last_update", "expected"),
    [
        pytest.param(NEXT, NOW, None, id="N67-at-the-next-update"),
        pytest.param(NEXT + SECOND, NOW, "expired CRL", id="N67-after-the-next-update"),
        pytest.param(NOW, NOW + CLOCK_SKEW, None, id="N67-issuer-ahead-within-the-skew"),
        pytest.param(NOW, NOW + CLOCK_SKEW + SECOND, "CRL from the future", id="N67-issuer-ahead-by-more"),
    ],
)
def test_a_list_has_its_time(now: datetime, last_update: datetime, expected: str | None):
    """Both ends, and the skew of an issuer's clock."""
    content = crl(CA, last_update=last_update, next_update=NEXT)
    if expected is None:
        assert load(content, now=now).next_update == NEXT
    else:
        with pytest.raises(UndeterminedError, match=expected):
            load(content, now=now)


@pytest.mark.parametrize("missing", [pytest.param("next update", id="N67-no-next-update")])
def test_a_list_without_end_is_no_list(missing: str):
    """RFC 5280 demands a next update; without it the list would hold for ever."""
    assert missing
    with pytest.raises(UndeterminedError, match="CRL NextUpdate is not set"):
        load(crl(CA, edit=lambda signed: signed.__delitem__("next_update")))


@pytest.mark.parametrize(
    ("entries", "signed", "revoked"),
    [
        *(
            pytest.param([entry(LEAF, reason)], None, True, id=f"N67-{reason.value if reason else 'no-reason'}")
            for reason in (None, *x509.ReasonFlags)
            if reason not in {HOLD, REMOVED}
        ),
        pytest.param([entry(LEAF, HOLD)], None, True, id="N67-hold"),
        pytest.param([entry(LEAF, REMOVED)], None, False, id="N67-removal-alone"),
        pytest.param(
            [entry(LEAF, HOLD, at=EPOCH), entry(LEAF, REMOVED, at=EPOCH + SECOND)], None, False, id="N67-hold-removed"
        ),
        pytest.param(
            [entry(LEAF, REMOVED, at=EPOCH), entry(LEAF, HOLD, at=EPOCH + SECOND)], None, True, id="N67-hold-again"
        ),
        pytest.param(
            [entry(LEAF, REMOVED, at=EPOCH), entry(LEAF, HOLD, at=EPOCH)], None, True, id="N67-hold-and-removal-at-once"
        ),
        pytest.param(
            [entry(LEAF, REMOVED, at=EPOCH + SECOND), entry(LEAF, HOLD, at=EPOCH)], None, False, id="N67-in-any-order"
        ),
        pytest.param(
            [entry(LEAF, at=EPOCH), entry(LEAF, REMOVED, at=EPOCH + SECOND)],
            None,
            True,
            id="N67-what-is-final-is-not-removed",
        ),
        pytest.param([entry(LEAF, invalid_from=INVALID)], None, True, id="N67-invalidity-without-an-authentic-time"),
        pytest.param([entry(LEAF)], INVALID, True, id="N67-authentic-time-without-an-invalidity"),
        pytest.param(
            [entry(LEAF, invalid_from=INVALID)], INVALID - SECOND, False, id="N67-signed-before-the-invalidity"
        ),
        pytest.param([entry(LEAF, invalid_from=INVALID)], INVALID, True, id="N67-signed-in-that-second"),
        pytest.param(
            [entry(LEAF, invalid_from=INVALID), entry(LEAF)], INVALID - SECOND, True, id="N67-another-entry-is-final"
        ),
        pytest.param([entry(LEAF, extensions=[(UNKNOWN, False)])], None, True, id="N67-entry-with-another-extension"),
    ],
)
def test_an_entry_revokes(entries: Sequence[x509.RevokedCertificate], signed: datetime | None, *, revoked: bool):
    """Every reason revokes for good but a hold, which a later removal lifts."""
    assert judge(crl(CA, entries), signed=signed) == Standing(revoked=revoked, good_until=NEXT)


JUNK_REASON = x509.UnrecognizedExtension(x509.CRLReason.oid, b"junk")


@pytest.mark.parametrize(
    ("extension", "critical", "expected"),
    [
        pytest.param(
            UNKNOWN, True, "unsupported critical extension found in CRL", id="N67-critical-extension-of-the-entry"
        ),
        pytest.param(JUNK_REASON, False, "malformed CRL entry", id="N67-reason-that-cannot-be-read"),
    ],
)
def test_an_entry_that_is_not_understood_decides_nothing(
    extension: x509.ExtensionType, expected: str, *, critical: bool
):
    """Neither good nor revoked."""
    content = crl(CA, [entry(LEAF, None, extensions=[(extension, critical)])])
    with pytest.raises(UndeterminedError, match=expected):
        judge(content)


@pytest.mark.parametrize(
    ("number", "delta_number", "delta_of", "expected"),
    [
        pytest.param(5, 6, 5, None, id="N67-delta-of-this-base"),
        pytest.param(5, 9, 2, None, id="N67-delta-of-an-older-base"),
        pytest.param(5, 5, 5, "is not greater than the base CRL number", id="N67-delta-of-the-same-number"),
        pytest.param(5, 4, 3, "is not greater than the base CRL number", id="N67-delta-that-is-older"),
        pytest.param(5, 7, 6, "is not less than or equal to the base CRL number", id="N67-delta-of-a-later-base"),
        pytest.param(None, 7, 6, "indicator or CRL number is not found", id="N67-base-without-a-number"),
        pytest.param(5, None, 5, "indicator or CRL number is not found", id="N67-delta-without-a-number"),
        pytest.param(5, 6, None, "indicator or CRL number is not found", id="N67-delta-without-an-indicator"),
    ],
)
def test_a_delta_goes_with_its_base(
    number: int | None, delta_number: int | None, delta_of: int | None, expected: str | None
):
    """It continues the base without a gap."""
    base, delta = load(crl(CA, number=number)), load(crl(CA, number=delta_number, delta_of=delta_of))
    assert delta.is_delta is (delta_of is not None)
    if expected is None:
        check_delta(base, delta)
    else:
        with pytest.raises(UndeterminedError, match=expected):
            check_delta(base, delta)


@pytest.mark.parametrize(
    ("base", "delta", "revoked"),
    [
        pytest.param([], [], False, id="N67-in-neither"),
        pytest.param([], [entry(LEAF)], True, id="N67-in-the-delta"),
        pytest.param([entry(LEAF)], [], True, id="N67-in-the-base"),
        pytest.param(
            [entry(LEAF, HOLD, at=EPOCH)], [entry(LEAF, REMOVED, at=NOW)], False, id="N67-hold-lifted-by-the-delta"
        ),
        pytest.param([entry(LEAF, at=EPOCH)], [entry(LEAF, REMOVED, at=NOW)], True, id="N67-final-in-the-base"),
    ],
)
def test_base_and_delta_are_read_together(
    base: Sequence[x509.RevokedCertificate], delta: Sequence[x509.RevokedCertificate], *, revoked: bool
):
    """The earlier of both next updates bounds the answer."""
    standing = judge(crl(CA, base), crl(CA, delta, number=2, delta_of=1, next_update=NOW + SECOND))
    assert standing == Standing(revoked=revoked, good_until=NOW + SECOND)


@pytest.mark.parametrize("place", [pytest.param(place, id=f"N67-altered-{place}") for place in (40, 100, -1)])
def test_an_altered_list_is_refused(place: int):
    """Whatever byte is altered."""
    content = bytearray(crl(CA, [entry(LEAF)]))
    content[place] ^= 1
    with pytest.raises(UndeterminedError):
        load(bytes(content))
