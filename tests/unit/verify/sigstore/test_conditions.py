"""Conditions are asked of the signed predicate only, all must hold, and no predicate makes them take long."""

import pytest

from tests.simulator.pki.sigstore import statement
from tests.unit.verify.sigstore.cases import DIGEST, MANIFEST, PROVENANCE, check, ends, ours, passes, signer
from tidegate.errors import PolicyError, VerificationError
from tidegate.verify.sigstore.cel import MAX_CONDITIONS, Condition
from tidegate.verify.sigstore.claims import ANY_PREDICATE, Artifact, Claims
from tidegate.verify.sigstore.conditions import MAX_LOOP_COST, MAX_VALUES, TEXT_SHARE, check_conditions
from tidegate.verify.sigstore.procedure import SigstoreStep
from tidegate.verify.sigstore.statement import COSIGN_SIGNATURE

A_IS_1 = Condition(text="predicate.a == 1")
ALL_ONES = Condition(text="predicate.l.all(x, x == 1)")
ALL_SAME = Condition(text="predicate.l.all(x, predicate.m == predicate.n)")


def test_every_condition_must_hold():
    check_conditions({"a": 1, "l": [1]}, (A_IS_1, ALL_ONES))
    with pytest.raises(VerificationError, match=r"condition \"predicate.a == 1\" is false"):
        check_conditions({"a": 2, "l": [1]}, (ALL_ONES, A_IS_1))
    with pytest.raises(VerificationError, match="cannot be computed"):
        check_conditions({"l": [1]}, (A_IS_1, ALL_ONES))


def test_no_condition_is_no_demand_but_too_many_are_refused():
    check_conditions({}, ())
    check_conditions({"a": 1}, (A_IS_1,) * MAX_CONDITIONS)
    with pytest.raises(VerificationError, match="17 conditions"):
        check_conditions({"a": 1}, (A_IS_1,) * (MAX_CONDITIONS + 1))


@pytest.mark.parametrize(
    "predicate",
    [
        pytest.param({"a": 1, "x": "ok\0not"}, id="in a text"),
        pytest.param({"a": 1, "x": [["\0"]]}, id="in a list"),
        pytest.param({"a": 1, "x\0": 1}, id="in a key"),
    ],
)
def test_pitfall_9_10_a_predicate_that_the_library_would_cut_off_is_refused(predicate):
    with pytest.raises(VerificationError, match="NUL"):
        check_conditions(predicate, (A_IS_1,))


def test_pitfall_9_6_a_predicate_has_a_number_of_values():
    # The object itself, two keys, a number and a list stand beside the items.
    check_conditions({"a": 1, "l": [0] * (MAX_VALUES - 5)}, (A_IS_1,))
    with pytest.raises(VerificationError, match="more than 200000 values"):
        check_conditions({"a": 1, "l": [0] * (MAX_VALUES - 4)}, (A_IS_1,))


@pytest.mark.parametrize(
    ("condition", "predicate", "ok"),
    [
        pytest.param(ALL_ONES, {"l": [1] * 5000}, True, id="the longest list"),
        pytest.param(ALL_ONES, {"l": [1] * 5001}, False, id="a longer list"),
        pytest.param(ALL_ONES, {"l": [1] * 2500, "t": "x" * 10_000 * TEXT_SHARE}, True, id="a list and a text"),
        pytest.param(ALL_ONES, {"l": [1] * 2501, "t": "x" * 10_000 * TEXT_SHARE}, False, id="a list and more text"),
        pytest.param(ALL_ONES, {"l": [1], "t": "x" * 10_000_000}, True, id="a text and one item"),
        pytest.param(ALL_ONES, {"l": [1], "m": {str(key): 1 for key in range(5001)}}, False, id="a longer object"),
        pytest.param(A_IS_1, {"a": 1, "l": [1] * 100_000, "t": "x" * 1_000_000}, True, id="without a loop"),
        pytest.param(ALL_SAME, {"l": [1] * 200, "m": [[1] * 100] * 99, "n": [[1] * 100] * 99}, True, id="whole lists"),
        pytest.param(
            ALL_SAME, {"l": [1] * 200, "m": [[1] * 400] * 170, "n": [[1] * 400] * 170}, False, id="larger whole lists"
        ),
        pytest.param(
            ALL_SAME,
            {"l": [1] * 250, "m": ["x" * 4000 * TEXT_SHARE] * 13, "n": ["x" * 4000 * TEXT_SHARE] * 13},
            False,
            id="lists of long texts",
        ),
    ],
)
def test_pitfall_9_6_what_a_loop_may_cost_is_bounded_before_it_runs(condition, predicate, ok):
    if ok:
        check_conditions(predicate, (condition,))
    else:
        with pytest.raises(VerificationError, match="too large for the loop"):
            check_conditions(predicate, (condition,))


def test_nested_loops_multiply():
    nested = Condition(text="predicate.l.all(x, predicate.l.all(y, y == 1))")
    check_conditions({"l": [1] * 99, "t": "x" * 2500 * TEXT_SHARE}, (nested,))
    with pytest.raises(VerificationError, match="too large for the loop"):
        check_conditions({"l": [1] * 99, "t": "x" * 2600 * TEXT_SHARE}, (nested,))
    assert 99 * 99 * 2500 <= MAX_LOOP_COST < 99 * 99 * 2600


def test_pitfall_9_9_conditions_are_asked_of_what_was_signed_after_it_was_verified():
    claims = Claims(predicate_type=PROVENANCE, conditions=(A_IS_1,))
    good = ours().sign_statement(statement(DIGEST, predicate_type=PROVENANCE, predicate={"a": 1}), signer())
    passes(check(good, claims=claims))
    bad = ours().sign_statement(statement(DIGEST, predicate_type=PROVENANCE, predicate={"a": 2}), signer())
    ends(check(bad, claims=claims), SigstoreStep.CONDITIONS, "is false")
    swapped = bad | {"dsseEnvelope": bad["dsseEnvelope"] | {"payload": good["dsseEnvelope"]["payload"]}}
    ends(check(swapped, claims=claims), SigstoreStep.SIGNATURE)


@pytest.mark.parametrize("predicate", [None, [], "a", 1, True])
def test_a_predicate_that_is_no_object_meets_no_condition(predicate):
    payload = statement(DIGEST, predicate_type=PROVENANCE).replace(
        b'"predicate": {}', b'"predicate": ' + repr(predicate).replace("None", "null").replace("True", "true")
        .replace("'", '"').encode()
    )  # fmt: skip
    claims = Claims(predicate_type=PROVENANCE, conditions=(A_IS_1,))
    result = check(ours().sign_statement(payload, signer()), claims=claims)
    ends(result, SigstoreStep.SUBJECT if predicate is not None else SigstoreStep.CONDITIONS)


def test_conditions_need_something_with_a_predicate():
    with pytest.raises(PolicyError, match="a signature has no predicate"):
        Claims(predicate_type=COSIGN_SIGNATURE, conditions=(A_IS_1,))
    with pytest.raises(PolicyError, match="predicateType: required"):
        Claims(predicate_type="")


def test_an_artifact_s_signature_has_no_predicate_even_where_any_type_is_taken():
    claims = Claims(predicate_type=ANY_PREDICATE, conditions=(A_IS_1,))
    ends(
        check(ours().sign_artifact(MANIFEST, signer()), claims=claims),
        SigstoreStep.CONDITIONS,
        "a signature has no predicate",
    )


def test_content_must_be_the_digest_s():
    with pytest.raises(VerificationError, match="does not have the digest"):
        Artifact(digest=DIGEST, content=MANIFEST + b" ")
