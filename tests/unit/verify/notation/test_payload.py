"""Only the very artifact that was signed is accepted, with the metadata that was signed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.simulator.pki.envelopes import COSE, JWS, sign
from tests.simulator.pki.envelopes import TARGET as SIGNED
from tests.unit.verify.notation.world import TARGET, failed_step, refusal, signer, verify
from tidegate.verify.step import Conclusion


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"digest": "sha256:" + "cd" * 32}, id="N41-digest"),
        pytest.param({"size": 1235}, id="N41-size"),
        pytest.param({"media_type": "application/vnd.docker.distribution.manifest.v2+json"}, id="N41-media-type"),
        pytest.param({"digest": "sha256:" + "AB" * 32}, id="N41-digest-in-upper-case"),
    ],
)
def test_another_artifact_is_refused(media_type: str, change: dict[str, Any]):
    """Media type, digest and size must all be those of the fetched manifest."""
    outcome = verify(sign(signer(), media_type), media_type, target=replace(TARGET, **change))
    assert "content descriptor mismatch" in refusal(outcome)
    assert failed_step(outcome) == 5


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"{", "payload is not valid", id="N41-no-json"),
        pytest.param(b"[]", "payload is not valid: expected a JSON object", id="N41-list"),
        pytest.param(b"{}", "it has no targetArtifact", id="N41-no-artifact"),
        pytest.param({"targetArtifact": []}, "it has no targetArtifact", id="N41-artifact-is-a-list"),
        pytest.param({"TargetArtifact": SIGNED}, "it has no targetArtifact", id="N41-other-case"),
        pytest.param({"targetArtifact": SIGNED | {"size": "1234"}}, "needs mediaType", id="N41-size-is-a-text"),
        pytest.param({"targetArtifact": SIGNED | {"size": 1234.0}}, "needs mediaType", id="N41-size-is-a-float"),
        pytest.param({"targetArtifact": SIGNED | {"size": True}}, "needs mediaType", id="N41-size-is-true"),
        pytest.param({"targetArtifact": SIGNED | {"digest": None}}, "needs mediaType", id="N41-no-digest"),
        pytest.param(
            {"targetArtifact": SIGNED | {"annotations": {"a": 1}}}, "must map texts to texts", id="N42-number"
        ),
        pytest.param({"targetArtifact": SIGNED | {"annotations": []}}, "must map texts to texts", id="N42-list"),
        pytest.param(
            json.dumps({"targetArtifact": SIGNED}).replace('"size"', '"size": 1, "size"').encode(),
            'duplicate key "size"',
            id="N41-repeated-key",
        ),
    ],
)
def test_an_odd_payload_is_refused(payload: Any, expected: str):
    """A payload is read strictly, though it is signed: two readers must not see two artifacts."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    assert expected in refusal(verify(sign(signer(), payload=content)))


@pytest.mark.parametrize(
    "target",
    [
        pytest.param({"annotations": {"a": "b"}}, id="N41-annotations-are-not-compared"),
        pytest.param({"artifactType": "a/b"}, id="N41-artifact-type-is-not-compared"),
        pytest.param({"urls": ["https://elsewhere.test"]}, id="N41-urls-are-not-compared"),
    ],
)
def test_more_may_be_signed(target: dict[str, Any]):
    """What else a descriptor says takes no part."""
    assert verify(sign(signer(), target=SIGNED | target)).conclusion is Conclusion.VERIFIED


@pytest.mark.parametrize(
    ("signed", "required", "good"),
    [
        pytest.param({"build": "7", "a": "b"}, {"build": "7"}, True, id="N42-there"),
        pytest.param({"build": "7"}, {}, True, id="N42-nothing-required"),
        pytest.param({"build": "7"}, {"build": "8"}, False, id="N42-another-value"),
        pytest.param({"build": "7"}, {"build": "7", "a": "b"}, False, id="N42-one-of-two"),
        pytest.param({"Build": "7"}, {"build": "7"}, False, id="N42-key-in-other-case"),
        pytest.param(None, {"build": ""}, False, id="N42-none-signed"),
    ],
)
def test_required_metadata_must_be_signed(signed: dict | None, required: dict[str, str], *, good: bool):
    """Each required key has exactly the required value, in the signed payload."""
    target = SIGNED if signed is None else SIGNED | {"annotations": signed}
    outcome = verify(sign(signer(), target=target), metadata=required)
    if good:
        assert outcome.conclusion is Conclusion.VERIFIED
        assert outcome.metadata == (signed or {})
    else:
        assert "unable to find specified metadata in the signature" in refusal(outcome)


def test_nothing_is_compared_before_the_signature_is_verified():
    """Metadata of an unverified envelope are not even shown."""
    outcome = verify(
        sign(signer(), target=SIGNED | {"annotations": {"a": "b"}}, signature=lambda _: b"x" * 64), metadata={"a": "b"}
    )
    assert failed_step(outcome) == 3
    assert outcome.metadata == {}
