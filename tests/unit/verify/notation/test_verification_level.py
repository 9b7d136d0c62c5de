"""What a verification level of a trust policy means, and what may be overridden."""

import pytest

from tests.unit.verify.notation.documents import document, verification
from tidegate.verify.notation.trust_policy.document import read_trust_policy
from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType
from tidegate.verify.notation.trust_policy.statement import SignatureVerification

LEVELS = {
    "strict": ["enforce", "enforce", "enforce", "enforce", "enforce"],
    "permissive": ["enforce", "enforce", "log", "log", "log"],
    "audit": ["enforce", "log", "log", "log", "log"],
}


@pytest.mark.parametrize("level", [pytest.param(level, id=f"N4-level-{level}") for level in LEVELS])
def test_a_level_means_its_actions(level: str):
    """The table of the specification, cell by cell."""
    found = read_trust_policy(document(signatureVerification={"level": level})).statements[0].signature_verification
    assert [found.action(check).value for check in ValidationType] == LEVELS[level]


def test_skip_skips_all():
    """At level skip nothing is looked at, integrity included."""
    value = document(signatureVerification={"level": "skip"}, trustStores=[], trustedIdentities=[])
    found = read_trust_policy(value).statements[0].signature_verification
    assert found.level is Level.SKIP
    assert {found.action(check) for check in ValidationType} == {ValidationAction.SKIP}


@pytest.mark.parametrize(
    ("override", "check", "expected"),
    [
        pytest.param(
            {"revocation": "skip"}, ValidationType.REVOCATION, ValidationAction.SKIP, id="N5-revocation-may-be-skipped"
        ),
        pytest.param({"authenticity": "log"}, ValidationType.AUTHENTICITY, ValidationAction.LOG, id="N5-softer"),
        pytest.param({"expiry": "log"}, ValidationType.REVOCATION, ValidationAction.ENFORCE, id="N5-others-stay"),
    ],
)
def test_an_override_changes_one_action(override: dict[str, str], check: ValidationType, expected: ValidationAction):
    """An override changes what it names and nothing else."""
    found = read_trust_policy(verification(override=override)).statements[0].signature_verification
    assert found.action(check) is expected


@pytest.mark.parametrize(
    "level", [pytest.param(level, id=f"N5-{level}") for level in ("strict", "permissive", "audit")]
)
def test_only_revocation_is_skipped_whoever_made_the_statement(level: str):
    """Statements are also made without a document: a skipped authenticity would count as verified."""
    found = SignatureVerification(level=Level(level), override=dict.fromkeys(ValidationType, ValidationAction.SKIP))
    actions = {check: found.action(check) for check in ValidationType}
    assert actions.pop(ValidationType.REVOCATION) is ValidationAction.SKIP
    assert set(actions.values()) == {ValidationAction.ENFORCE}


@pytest.mark.parametrize("value", [pytest.param("", id="N6-empty-is-the-default")])
def test_an_empty_rule_is_the_default(value: str):
    """As in Notation, where an empty text is as good as none."""
    found = read_trust_policy(verification(verifyTimestamp=value)).statements[0].signature_verification
    assert found.verify_timestamp is TimestampRule.ALWAYS


def test_verify_timestamp_is_read():
    """The rule may be softened to certificates that expired."""
    found = read_trust_policy(verification(verifyTimestamp="afterCertExpiry")).statements[0].signature_verification
    assert found.verify_timestamp is TimestampRule.AFTER_CERT_EXPIRY


def test_identities_of_plugins_are_kept():
    """Identities of other kinds are no error: a plugin may know them."""
    arn = "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/release"
    assert read_trust_policy(document(trustedIdentities=[arn])).statements[0].trusted_identities.others == (arn,)
