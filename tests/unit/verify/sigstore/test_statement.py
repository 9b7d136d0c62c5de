"""The statement inside an envelope: ours to read, since cosign's are not sigstore-python's, and only once it is verified."""

import json

import pytest

from tests.simulator.pki.sigstore import STATEMENT_V01, STATEMENT_V1, statement
from tests.unit.verify.sigstore.cases import DIGEST, OTHER, PROVENANCE
from tidegate.errors import VerificationError
from tidegate.verify.sigstore.bundle import MAX_STATEMENT_BYTES, DsseEnvelope
from tidegate.verify.sigstore.statement import (
    MAX_DIGESTS,
    MAX_SUBJECTS,
    MAX_TYPE_CHARACTERS,
    PAYLOAD_TYPE,
    read_statement,
    signed_text,
)

HEX = DIGEST.removeprefix("sha256:")
OTHER_HEX = OTHER.removeprefix("sha256:")


def subject(digest=HEX, **more):
    return {"digest": {"sha256": digest}} | more


def read(**fields):
    return read_statement(statement(DIGEST, predicate_type=PROVENANCE, **fields), DIGEST)


@pytest.mark.parametrize("kind", [STATEMENT_V01, STATEMENT_V1])
@pytest.mark.parametrize("name", [None, "", "registry.test/app"])
def test_gap_statements_of_both_versions_are_read_with_a_name_or_without(kind, name):
    assert read(kind=kind, name=name).predicate_type == PROVENANCE


@pytest.mark.parametrize(
    ("subjects", "ok"),
    [
        pytest.param([subject(OTHER_HEX), subject()], True, id="the second of two"),
        pytest.param([{"digest": {"sha512": "00", "sha256": HEX}}], True, id="one of two digests"),
        pytest.param([{"digest": {"sha512": HEX}}], False, id="pitfall-9-8: under another hash's name"),
        pytest.param([{"digest": {"SHA256": HEX}}], False, id="pitfall-9-10: the name's other case"),
        pytest.param([subject(HEX.upper())], False, id="in capital letters"),
        pytest.param([subject(DIGEST)], False, id="with its kind before it"),
        pytest.param([subject(HEX[:-1])], False, id="cut off"),
        pytest.param([subject(HEX + "\0")], False, id="with a NUL"),
        pytest.param([{"name": DIGEST, "digest": {"sha256": OTHER_HEX}}], False, id="pitfall-9-2: in the name only"),
        pytest.param([{"digest": {"sha256": OTHER_HEX}, "uri": DIGEST}], False, id="pitfall-9-2: in another field"),
    ],
)
def test_pitfall_9_2_a_subject_must_name_the_digest_itself(subjects, ok):
    if ok:
        read(subject=subjects)
    else:
        with pytest.raises(VerificationError, match=f"not {DIGEST}"):
            read(subject=subjects)


@pytest.mark.parametrize(
    "subjects",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="nobody"),
        pytest.param({}, id="an object"),
        pytest.param(DIGEST, id="a text"),
        pytest.param([subject()] * (MAX_SUBJECTS + 1), id="pitfall-9-7: too many"),
        pytest.param([subject(), "text"], id="a text beside it"),
        pytest.param([subject(), {}], id="one without digests beside it"),
        pytest.param([subject(), {"digest": []}], id="a list of digests beside it"),
        pytest.param([subject(), {"digest": {}}], id="no digests beside it"),
        pytest.param([subject(), {"digest": {"sha256": 7}}], id="a number beside it"),
        pytest.param([{"digest": {f"h{n}": HEX for n in range(MAX_DIGESTS + 1)}}], id="pitfall-9-7: many digests"),
    ],
)
def test_a_malformed_subject_refuses_the_whole_statement(subjects):
    with pytest.raises(VerificationError, match="statement: "):
        read(subject=subjects)


def test_as_many_subjects_as_may_be_are_read():
    assert read(subject=[subject(OTHER_HEX)] * (MAX_SUBJECTS - 1) + [subject()])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"kind": "https://in-toto.io/Statement/v2"}, "unknown type", id="a later version"),
        pytest.param({"kind": STATEMENT_V1 + "/"}, "unknown type", id="more at the end"),
        pytest.param({"_type": [STATEMENT_V1]}, "unknown type", id="a list as type"),
        pytest.param({"_type": None}, "unknown type", id="no type"),
        pytest.param({"predicateType": ""}, "expected a predicateType", id="no predicate type"),
        pytest.param({"predicateType": ["x"]}, "expected a predicateType", id="a list as predicate type"),
        pytest.param({"predicateType": "x" * (MAX_TYPE_CHARACTERS + 1)}, "expected a predicateType", id="a long one"),
        pytest.param({"predicate": ["x"]}, "expected the predicate to be an object", id="a list as predicate"),
        pytest.param({"predicate": "x"}, "expected the predicate to be an object", id="a text as predicate"),
        pytest.param({"subject": [subject(annotations=["x"])]}, "annotations", id="a list of annotations"),
    ],
)
def test_other_forms_are_refused(fields, text):
    with pytest.raises(VerificationError, match=text):
        read(**fields)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"{" * 5000, id="endlessly nested"),
        pytest.param(statement(DIGEST)[:-1], id="cut off"),
        pytest.param(statement(DIGEST)[:-1] + b', "_type": "x"}', id="pitfall-9-10: a key twice"),
        pytest.param(statement(DIGEST, predicate={"a": float("nan")}), id="pitfall-9-10: NaN"),
        pytest.param(statement(DIGEST, predicate={"a": 10**50}), id="pitfall-9-7: an endless number"),
        pytest.param(b" " * (MAX_STATEMENT_BYTES + 1), id="pitfall-9-7: huge"),
    ],
)
def test_pitfall_9_10_what_more_than_one_reading_exists_for_is_refused(payload):
    with pytest.raises(VerificationError):
        read_statement(payload, DIGEST)


def test_annotations_are_those_of_the_subject_that_names_the_digest():
    given = read(
        subject=[subject(OTHER_HEX, annotations={"env": "test"}), subject(annotations={"env": "prod", "n": 1})]
    )
    assert given.annotations == {"env": "prod"}
    assert read().annotations == {}


def test_what_is_not_there_is_an_empty_predicate():
    payload = json.loads(statement(DIGEST, predicate_type=PROVENANCE))
    del payload["predicate"]
    assert read_statement(json.dumps(payload).encode(), DIGEST).predicate == {}


def test_the_signed_text_names_type_and_length_so_that_nothing_can_be_shifted():
    envelope = DsseEnvelope(payload_type=PAYLOAD_TYPE, payload=b"abc", signature=b"x")
    assert signed_text(envelope) == b"DSSEv1 28 application/vnd.in-toto+json 3 abc"


@pytest.mark.parametrize("kind", ["", "application/json", PAYLOAD_TYPE.upper(), PAYLOAD_TYPE + " ", "text/in-toto"])
def test_pitfall_9_8_another_payload_type_is_refused(kind):
    with pytest.raises(VerificationError, match="payload type"):
        signed_text(DsseEnvelope(payload_type=kind, payload=b"{}", signature=b"x"))
