"""The ways in which verifiers of signatures have been fooled, each tried against the whole procedure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue, with_sha1
from tests.simulator.pki.envelopes import COSE, DIGEST, JWS, SIGNED_AT, TARGET, sign, sign_raw
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import NOW, failed_step, refusal, signer, statement, stores, verify
from tests.unit.verify.notation.world import TARGET as IMAGE
from tidegate.verify.notation.envelope.payload import TargetArtifact
from tidegate.verify.step import Conclusion

LEAF = signer()
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
OTHER_DIGEST = "sha256:" + "cd" * 32


@pytest.mark.parametrize(
    "pulled",
    [
        pytest.param({"digest": OTHER_DIGEST}, id="pitfall-9-2-another-digest"),
        pytest.param({"size": IMAGE.size + 1}, id="pitfall-9-2-another-size"),
        pytest.param({"media_type": INDEX_TYPE}, id="pitfall-9-2-another-type"),
        pytest.param({"digest": DIGEST.upper()}, id="pitfall-9-2-another-spelling"),
        pytest.param(
            {"digest": OTHER_DIGEST, "media_type": INDEX_TYPE, "size": 7}, id="pitfall-9-14-index-of-a-signed-child"
        ),
        pytest.param({"digest": OTHER_DIGEST, "size": 9}, id="pitfall-9-14-child-of-a-signed-index"),
    ],
)
def test_only_the_very_manifest_that_is_pulled_counts(pulled: dict[str, Any]):
    """What is signed is compared with what was fetched by digest, in all three parts."""
    given: dict[str, Any] = {"media_type": IMAGE.media_type, "digest": IMAGE.digest, "size": IMAGE.size} | pulled
    outcome = verify(sign(LEAF), target=TargetArtifact(**given))
    assert "content descriptor mismatch" in refusal(outcome)
    assert outcome.metadata == {}


RELEASED = sign(LEAF, target=TARGET | {"annotations": {"stage": "production", "team": "a"}})


@pytest.mark.parametrize(
    ("policy", "metadata", "good"),
    [
        pytest.param({}, {}, True, id="pitfall-9-3-a-signature-names-no-repository"),
        pytest.param({}, {"stage": "production"}, True, id="pitfall-9-3-metadata-that-was-signed"),
        pytest.param({}, {"stage": "test"}, False, id="pitfall-9-3-metadata-of-another-stage"),
        pytest.param({}, {"stage": "production", "region": "x"}, False, id="pitfall-9-3-metadata-that-is-missing"),
        pytest.param(
            {"identities": ["x509.subject: C=US, ST=WA, O=Example, CN=signer of another repository"]},
            {},
            False,
            id="pitfall-9-3-identity-of-another-repository",
        ),
    ],
)
def test_a_replay_is_kept_out_by_identity_or_metadata(policy: dict[str, Any], metadata: dict[str, str], *, good: bool):
    """An envelope is as good in any repository; what a policy demands of signer and metadata tells them apart."""
    outcome = verify(RELEASED, policy=statement(**policy), metadata=metadata)
    assert outcome.conclusion is (Conclusion.VERIFIED if good else Conclusion.FAILED)


def weakly(data: bytes) -> bytes:
    return sign_raw(signer("rsa2048").key, data, salt=0)


@pytest.mark.parametrize(
    ("leaf", "options"),
    [
        *(
            pytest.param(LEAF, {"edit_protected": lambda head, alg=alg: head.update(alg=alg)}, id=f"pitfall-9-8-{alg}")
            for alg in ("none", "HS256", "RS256", "PS256", "ES384", "es256", "EdDSA")
        ),
        pytest.param(LEAF, {"signature": lambda _: b""}, id="pitfall-9-8-empty"),
        pytest.param(LEAF, {"signature": lambda _: bytes(64)}, id="pitfall-9-8-zeros"),
        pytest.param(signer("rsa2048"), {"signature": weakly}, id="pitfall-9-8-short-salt"),
    ],
)
def test_the_key_decides_the_algorithm(leaf: Identity, options: dict[str, Any]):
    """Whatever the header says, and however the bytes would verify under another rule."""
    outcome = verify(sign(leaf, **options), trusted=stores(ca=leaf.root))
    assert outcome.conclusion is Conclusion.FAILED
    assert failed_step(outcome) in {1, 3}


@pytest.mark.parametrize(
    "media_type", [pytest.param(JWS, id="pitfall-9-9-jws"), pytest.param(COSE, id="pitfall-9-9-cose")]
)
def test_what_is_not_signed_says_nothing(media_type: str):
    """The agent's name and further unprotected words change no outcome, and metadata come from the payload alone."""
    plain = verify(sign(LEAF, media_type), media_type)

    def dress_up(header: dict) -> None:
        header["io.cncf.notary.signingAgent"] = "CN=root"
        header["stage"] = "production"

    dressed = verify(sign(LEAF, media_type, edit_unprotected=dress_up), media_type)
    assert dressed == plain
    assert dressed.metadata == {}
    asked = verify(sign(LEAF, media_type, edit_unprotected=dress_up), media_type, metadata={"stage": "production"})
    assert "unable to find specified metadata" in refusal(asked)


@pytest.mark.parametrize(
    ("leaf", "chain", "anchor", "good"),
    [
        pytest.param(LEAF, LEAF.chain, LEAF.root, True, id="pitfall-9-15-sound"),
        pytest.param(
            issue("Root", authority("Same name"), subject=authority("Same name").root.certificate.subject),
            None,
            None,
            True,
            id="pitfall-9-15-leaf-of-its-roots-name",
        ),
        pytest.param(LEAF.root, (LEAF.root,), LEAF.root, False, id="pitfall-9-15-root-that-signs"),
        pytest.param(LEAF.chain[1], LEAF.chain[1:], LEAF.root, False, id="pitfall-9-15-authority-that-signs"),
        pytest.param(LEAF, LEAF.chain[:2], LEAF.chain[1], False, id="pitfall-9-15-chain-that-ends-at-an-anchor"),
        pytest.param(LEAF, (LEAF, with_sha1(LEAF.chain[1]), LEAF.root), LEAF.root, False, id="pitfall-9-15-sha1"),
        pytest.param(
            issue("leaf of a leaf", LEAF, purposes=[CODE_SIGNING]),
            None,
            LEAF.root,
            False,
            id="pitfall-9-15-leaf-of-a-leaf",
        ),
    ],
)
def test_a_chain_is_more_than_names(
    leaf: Identity, chain: tuple[Identity, ...] | None, anchor: Identity | None, *, good: bool
):
    """Roles and signatures make a chain; a trusted certificate somewhere in it is not enough."""
    ders = tuple(identity.der for identity in (chain or leaf.chain))
    outcome = verify(sign(leaf, chain=ders), trusted=stores(ca=anchor or leaf.root))
    assert outcome.conclusion is (Conclusion.VERIFIED if good else Conclusion.FAILED), outcome.decisive
    if not good:
        assert failed_step(outcome) == 4


TSA = timestamp_authority()
SHORT = issue(
    "short", authority(), not_before=SIGNED_AT - timedelta(days=1), not_after=SIGNED_AT + timedelta(seconds=2)
)


@pytest.mark.parametrize(
    ("accuracy", "good"),
    [
        pytest.param({"seconds": 2}, True, id="pitfall-9-16-accuracy-within-the-validity"),
        pytest.param({"seconds": 2, "micros": 1}, False, id="pitfall-9-16-accuracy-reaches-beyond"),
    ],
)
def test_a_time_is_a_range(accuracy: dict[str, int], *, good: bool):
    """A timestamp is as exact as it says, and the signer's certificate was valid in the whole range or is not known to be."""
    envelope = sign(SHORT, token=lambda raw: issue_token(TSA, raw, accuracy=accuracy))
    outcome = verify(
        envelope, policy=statement(stores=["ca:acme", "tsa:acme"]), trusted=stores(ca=SHORT.root, tsa=TSA.root)
    )
    assert outcome.conclusion is (Conclusion.VERIFIED if good else Conclusion.FAILED), outcome.decisive


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        pytest.param(lambda: sign(LEAF), LEAF.certificate.not_valid_after_utc, id="pitfall-9-13-certificates"),
        pytest.param(
            lambda: sign(LEAF, expiry=NOW + timedelta(hours=1)), NOW + timedelta(hours=1), id="pitfall-9-13-expiry"
        ),
    ],
)
def test_a_verdict_says_how_long_it_may_be_kept(make: Callable[[], bytes], bound: Any):
    """Whatever is judged at the present moment bounds it."""
    assert verify(make()).good_until == bound


def test_pitfall_9_19_an_anchor_that_is_withdrawn_counts_no_more():
    """Nothing that was found out about a chain before makes up for an anchor that the store no longer holds."""
    envelope = sign(LEAF)
    assert verify(envelope).conclusion is Conclusion.VERIFIED
    outcome = verify(envelope, trusted=stores(ca=authority("Another").root))
    assert failed_step(outcome) == 2
    assert verify(envelope).conclusion is Conclusion.VERIFIED
