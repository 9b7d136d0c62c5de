"""Distribution points and delta CRLs: which lists together say that a certificate is good."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.revocation import NOW, crl, entry
from tests.unit.verify.notation.revocation_world import (
    BY_CRL,
    CA,
    CRL_URL,
    DELTA_URL,
    DOWN,
    NEXT,
    OTHER_CRL_URL,
    judge,
    reason,
    urls,
)
from tidegate.verify.notation.revocation.material import NoAnswer

POINTS = [[CRL_URL], [OTHER_CRL_URL]]
BY_POINTS = issue("by points", CA, crl_urls=POINTS)
BY_MIRRORS = issue("by mirrors", CA, crl_urls=[[CRL_URL, OTHER_CRL_URL]])


@pytest.mark.parametrize(
    ("leaf", "answers", "good", "asked"),
    [
        pytest.param(BY_POINTS, {}, None, [CRL_URL, OTHER_CRL_URL], id="N67-each-point-is-asked"),
        pytest.param(BY_POINTS, {CRL_URL: crl(CA)}, None, [OTHER_CRL_URL], id="N67-one-point-is-not-enough"),
        pytest.param(BY_POINTS, {CRL_URL: crl(CA), OTHER_CRL_URL: crl(CA)}, True, [], id="N67-each-point-says-good"),
        pytest.param(
            BY_POINTS,
            {CRL_URL: DOWN, OTHER_CRL_URL: crl(CA, [entry(BY_POINTS)])},
            False,
            [],
            id="N67-one-point-revokes",
        ),
        pytest.param(BY_POINTS, {CRL_URL: crl(CA), OTHER_CRL_URL: DOWN}, None, [], id="N67-a-point-is-down"),
        pytest.param(BY_MIRRORS, {}, None, [CRL_URL], id="N67-one-mirror-is-asked"),
        pytest.param(BY_MIRRORS, {CRL_URL: DOWN}, None, [OTHER_CRL_URL], id="N67-the-next-mirror-is-asked"),
        pytest.param(BY_MIRRORS, {CRL_URL: DOWN, OTHER_CRL_URL: crl(CA)}, True, [], id="N67-one-mirror-is-enough"),
    ],
)
def test_points_cover_together_and_mirrors_each(
    leaf: Identity, answers: dict[str, bytes | NoAnswer], good: bool | None, asked: list[str]
):
    """Of several distribution points each lists a part of the reasons; URLs of one point name one list."""
    standing = judge(leaf, answers)
    assert urls(standing) == asked
    assert bool(standing.revoked) is (good is False)
    assert bool(standing.unknown) is (good is None)


def point(**options: Any) -> tuple[x509.ExtensionType, bool]:
    wanted = {"full_name": [x509.UniformResourceIdentifier(CRL_URL)], "relative_name": None, **options}
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(**({"reasons": None, "crl_issuer": None} | wanted))]
    ), False


INDIRECT = point(crl_issuer=[x509.DirectoryName(CA.root.certificate.subject)])
PARTIAL = point(reasons=frozenset({x509.ReasonFlags.key_compromise}))
RELATIVE = point(
    full_name=None,
    relative_name=x509.RelativeDistinguishedName([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "part 1")]),
)
FRESHER = x509.FreshestCRL([x509.DistributionPoint([x509.UniformResourceIdentifier(DELTA_URL)], None, None, None)])


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        pytest.param(INDIRECT, "indirect or partial CRLs are not supported", id="N67-point-of-another-issuer"),
        pytest.param(PARTIAL, "indirect or partial CRLs are not supported", id="N67-point-for-some-reasons"),
        pytest.param(RELATIVE, "no current CRL available", id="N67-point-without-a-url"),
    ],
)
def test_other_points_are_not_understood(extension: tuple[x509.ExtensionType, bool], expected: str):
    """A certificate with such a point is one whose standing is not known, and nothing is asked for it."""
    standing = judge(issue("by odd point", CA, extensions=[extension]))
    assert expected in reason(standing)
    assert standing.questions == ()


def test_a_point_without_a_url_is_served_by_a_file():
    """Where the list itself is at hand, nothing needs to be asked."""
    standing = judge(issue("by odd point", CA, extensions=[RELATIVE]), crls=[crl(CA)])
    assert standing.good_until == NEXT


BASE = crl(CA, number=5, freshest=DELTA_URL)


def delta(entries: Sequence[x509.RevokedCertificate] = (), **options: Any) -> bytes:
    return crl(CA, entries, **({"number": 6, "delta_of": 5} | options))


@pytest.mark.parametrize(
    ("answers", "good", "asked", "expected"),
    [
        pytest.param({CRL_URL: BASE}, None, [DELTA_URL], "no current delta CRL available", id="N67-delta-is-asked"),
        pytest.param({CRL_URL: BASE, DELTA_URL: delta()}, True, [], "", id="N67-delta-says-good"),
        pytest.param({CRL_URL: BASE, DELTA_URL: delta([entry(BY_CRL)])}, False, [], "", id="N67-delta-revokes"),
        pytest.param({CRL_URL: BASE, DELTA_URL: DOWN}, None, [], "CRL: timeout", id="N67-delta-is-down"),
        pytest.param(
            {CRL_URL: BASE, DELTA_URL: delta(number=5)}, None, [], "is not greater than the base", id="N67-delta-is-old"
        ),
        pytest.param(
            {CRL_URL: BASE, DELTA_URL: delta(delta_of=6, number=7)},
            None,
            [],
            "is not less than or equal to the base CRL number",
            id="N67-delta-with-a-gap",
        ),
        pytest.param(
            {CRL_URL: BASE, DELTA_URL: crl(CA, number=6)}, None, [], "no current delta", id="N67-whole-list-for-a-delta"
        ),
        pytest.param({CRL_URL: delta()}, None, [], "no current CRL available", id="N67-delta-for-a-whole-list"),
        pytest.param(
            {CRL_URL: BASE, DELTA_URL: delta(scope={"url": CRL_URL})}, True, [], "", id="N67-delta-for-the-bases-scope"
        ),
        pytest.param(
            {CRL_URL: BASE, DELTA_URL: delta(next_update=NOW - timedelta(seconds=1))},
            None,
            [],
            "expired CRL",
            id="N67-expired-delta",
        ),
    ],
)
def test_a_base_that_announces_deltas_needs_one(
    answers: dict[str, bytes | NoAnswer], good: bool | None, asked: list[str], expected: str
):
    """Without its current delta the base is old news."""
    standing = judge(BY_CRL, answers)
    assert bool(standing.revoked) is (good is False)
    assert bool(standing.unknown) is (good is None)
    if good is None:
        assert expected in reason(standing)
    assert urls(standing) == asked


def test_the_newest_delta_counts():
    """Of several deltas at hand, the one with the highest number."""
    deltas = [delta(number=7), delta([entry(BY_CRL)], number=8), delta(number=6)]
    assert judge(BY_CRL, {CRL_URL: BASE}, crls=deltas).revoked


@pytest.mark.parametrize(
    ("content", "good"),
    [
        pytest.param(crl(CA), False, id="N67-freshest-in-the-certificate-alone"),
        pytest.param(BASE, True, id="N67-freshest-in-both"),
    ],
)
def test_deltas_named_by_the_certificate_alone_are_not_read(content: bytes, *, good: bool):
    """The base must name them too."""
    leaf = issue("by fresher", CA, crl_urls=[CRL_URL], extensions=[(FRESHER, False)])
    standing = judge(leaf, {CRL_URL: content, DELTA_URL: delta()})
    if good:
        assert standing.good_until == NEXT
    else:
        assert "freshest CRL from certificate extension is not supported" in reason(standing)


def test_an_entry_that_is_not_understood_makes_the_standing_unknown():
    """Neither good nor revoked, with the reason."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    standing = judge(BY_CRL, {CRL_URL: crl(CA, [entry(BY_CRL, None, extensions=[(unknown, True)])])})
    assert "unsupported critical extension" in reason(standing)
