"""A trust policy document is used whole or not at all, and every problem of it is named in notation-go's words."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verify.notation.documents import MISSING, STATEMENT, document, verification
from tidegate.errors import PolicyError
from tidegate.verify.notation.trust_policy.document import (
    MAX_POLICY_BYTES,
    MAX_SCOPES,
    parse_trust_policy,
    read_trust_policy,
)
from tidegate.verify.notation.trust_policy.level import TimestampRule
from tidegate.verify.notation.trust_policy.lists import MAX_IDENTITIES

DOCUMENT: dict[str, Any] = {"version": "1.0", "trustPolicies": [STATEMENT]}


def second(**changes: Any) -> dict[str, Any]:
    """Return a document whose second statement is as the first, but for the changes."""
    other = copy.deepcopy(STATEMENT) | {"name": "other", "registryScopes": ["registry.other.test/app"]} | changes
    return {"version": "1.0", "trustPolicies": [copy.deepcopy(STATEMENT), other]}


def problems(value: object) -> str:
    with pytest.raises(PolicyError) as caught:
        read_trust_policy(value)
    return "\n".join(caught.value.problems)


def test_a_sound_document_is_read():
    """The example of the specification is read into values."""
    statement = parse_trust_policy(json.dumps(DOCUMENT).encode()).statements[0]
    assert statement.name == "acme"
    assert [str(store) for store in statement.trust_stores] == ["ca:acme"]
    assert dict(statement.trusted_identities.subjects[0].attributes)["O"] == "acme-rockets.io"
    assert statement.signature_verification.verify_timestamp is TimestampRule.ALWAYS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"trustPolicies": [STATEMENT]}, "oci trust policy document has empty version", id="N1-no-version"),
        pytest.param(DOCUMENT | {"version": ""}, "oci trust policy document has empty version", id="N1-empty-version"),
        pytest.param(
            DOCUMENT | {"version": "2.0"},
            'oci trust policy document uses unsupported version "2.0"',
            id="N1-other-version",
        ),
        pytest.param(DOCUMENT | {"version": 1.0}, "uses unsupported version", id="N1-version-is-a-number"),
        pytest.param(
            {"version": "1.0", "trustPolicies": []},
            "oci trust policy document can not have zero trust policy statements",
            id="N2-empty-list",
        ),
        pytest.param({"version": "1.0"}, "can not have zero trust policy statements", id="N2-no-list"),
        pytest.param(document(name=""), "a trust policy statement is missing a name", id="N3-empty-name"),
        pytest.param(document(name=MISSING), "a trust policy statement is missing a name", id="N3-no-name"),
        pytest.param(
            second(name="acme"),
            'multiple oci trust policy statements use the same name "acme", statement names must be unique',
            id="N3-repeated-name",
        ),
        pytest.param(
            document(signatureVerification={"level": "lax"}),
            'trust policy statement "acme" has invalid signatureVerification: invalid signature verification level "lax"',
            id="N4-unknown-level",
        ),
        pytest.param(
            document(signatureVerification={"level": "STRICT"}),
            'invalid signature verification level "STRICT"',
            id="N4-level-in-other-case",
        ),
        pytest.param(
            document(signatureVerification={}), "signature verification level is empty or missing", id="N4-no-level"
        ),
        pytest.param(
            document(signatureVerification={"level": ["strict"]}),
            "invalid signature verification level a list of 1",
            id="N4-level-is-a-list",
        ),
        pytest.param(
            document(
                signatureVerification={"level": "skip", "override": {"expiry": "log"}},
                trustStores=[],
                trustedIdentities=[],
            ),
            'signature verification level "skip" can\'t be used to customize signature verification',
            id="N5-override-of-skip",
        ),
        pytest.param(
            verification(override={"identity": "log"}),
            'verification type "identity" in custom signature verification is not supported',
            id="N5-unknown-type",
        ),
        pytest.param(
            verification(override={"integrity": "log"}),
            '"integrity" verification can not be overridden in custom signature verification',
            id="N5-integrity",
        ),
        pytest.param(
            verification(override={"expiry": "warn"}),
            'verification action "warn" in custom signature verification is not supported',
            id="N5-unknown-action",
        ),
        *(
            pytest.param(
                verification(override={check: "skip"}),
                f'"{check}" verification can not be skipped in custom signature verification',
                id=f"N5-skip-{check}",
            )
            for check in ("authenticity", "authenticTimestamp", "expiry")
        ),
        pytest.param(
            verification(verifyTimestamp="never"),
            'verifyTimestamp must be "always" or "afterCertExpiry", but got "never"',
            id="N6-unknown-rule",
        ),
        *(
            pytest.param(
                verification(verifyTimestamp=value),
                f'verifyTimestamp must be "always" or "afterCertExpiry", but got {shown}',
                id=f"N6-{label}",
            )
            for label, value, shown in (
                ("null", None, "nothing"),
                ("false", False, "false"),
                ("empty-list", [], "a list"),
                ("zero", 0, "the number 0"),
            )
        ),
        pytest.param(
            document(signatureVerification={"level": "skip"}),
            "is set to skip signature verification but configured with trust stores and/or trusted identities",
            id="N7-skip-with-stores",
        ),
        pytest.param(
            document(trustStores=[]),
            "is either missing trust stores or trusted identities, both must be specified",
            id="N7-no-stores",
        ),
        pytest.param(
            document(trustedIdentities=MISSING),
            "is either missing trust stores or trusted identities, both must be specified",
            id="N7-no-identities",
        ),
        pytest.param(
            document(
                signatureVerification={"level": "skip"}, trustStores=[], trustedIdentities=[], registryScopes=["*"]
            ),
            "is set to skip signature verification for the wildcard registry scope",
            id="N7-skip-for-every-registry",
        ),
        pytest.param(
            document(trustStores=["acme"]),
            'malformed trust store value "acme". The required format is <TrustStoreType>:<TrustStoreName>',
            id="N8-no-separator",
        ),
        pytest.param(
            document(trustStores=["CA:acme"]), 'uses an unsupported trust store type "CA"', id="N8-unknown-type"
        ),
        pytest.param(
            document(trustStores=["ca:../acme"]), 'uses an unsupported trust store name "../acme"', id="N8-bad-name"
        ),
        pytest.param(document(trustStores=["ca:"]), 'uses an unsupported trust store name ""', id="N8-empty-name"),
        pytest.param(
            document(trustedIdentities=["*", STATEMENT["trustedIdentities"][0]]),
            "uses a wildcard trusted identity '*', a wildcard identity cannot be used in conjunction with other values",
            id="N9-wildcard-beside-others",
        ),
        pytest.param(document(trustedIdentities=[""]), "has an empty trusted identity", id="N9-empty"),
        pytest.param(
            document(trustedIdentities=["C=US"]), 'has trusted identity "C=US" missing separator', id="N9-no-separator"
        ),
        pytest.param(document(trustedIdentities=["x509.subject:"]), "without an identity value", id="N9-no-value"),
        pytest.param(
            document(trustedIdentities=["x509.subject: CN=only"]),
            'has no mandatory RDN attribute for "C"',
            id="N9-subject-does-not-parse",
        ),
        pytest.param(
            document(
                trustedIdentities=[
                    "x509.subject: C=US, ST=WA, O=acme, OU=org1",
                    "x509.subject: C=US, ST=WA, O=acme",
                ]
            ),
            'has overlapping x509 trustedIdentities, "x509.subject: C=US, ST=WA, O=acme" overlaps with',
            id="N10-subset",
        ),
        pytest.param(
            document(trustedIdentities=["x509.subject: C=US, ST=WA, O=acme", "x509.subject: O=acme, S=WA, C=US"]),
            "has overlapping x509 trustedIdentities",
            id="N10-same-in-another-order",
        ),
        pytest.param(
            document(trustedIdentities=[f"plugin:{number}" for number in range(MAX_IDENTITIES + 1)]),
            f"{MAX_IDENTITIES + 1} trusted identities, more than {MAX_IDENTITIES}",
            id="N9-too-many",
        ),
        pytest.param(
            document(registryScopes=[f"registry.test/a{number}" for number in range(MAX_SCOPES + 1)]),
            f"got a list of {MAX_SCOPES + 1}, expected a list of at most {MAX_SCOPES}",
            id="N11-too-many",
        ),
        pytest.param(document(registryScopes=[]), "has zero registry scopes", id="N11-none"),
        pytest.param(
            document(registryScopes=["*", "registry.acme.test/a"]),
            "uses wildcard registry scope '*', a wildcard scope cannot be used in conjunction with other scope values",
            id="N11-wildcard-beside-others",
        ),
        pytest.param(
            document(registryScopes=["registry.acme.test/*"]),
            'registry scope "registry.acme.test/*" with wild card(s) is not valid',
            id="N11-wildcard-inside",
        ),
        *(
            pytest.param(
                document(registryScopes=[scope]),
                "is not valid, make sure it is a fully qualified repository without the scheme, protocol or tag",
                id=f"N11-grammar-{label}",
            )
            for label, scope in {
                "scheme": "https://registry.test/a",
                "tag": "registry.test/a:v1",
                "upper-case": "registry.test/A",
                "no-repository": "registry.test",
                "empty-repository": "registry.test/",
                "digest": "registry.test/a@sha256:" + "0" * 64,
                "line-break": "registry.test/a\n",
                "dots": "registry.test/a..b",
            }.items()
        ),
        pytest.param(
            second(registryScopes=STATEMENT["registryScopes"]),
            'registry scope "registry.acme.test/software/net-monitor" is present in multiple oci trust policy',
            id="N11-scope-in-two-statements",
        ),
        pytest.param(
            second(registryScopes=["REGISTRY.acme.test/software/net-monitor"]),
            "is present in multiple oci trust policy",
            id="N11-same-domain-in-other-case",
        ),
        pytest.param(
            {
                "version": "1.0",
                "trustPolicies": [
                    STATEMENT | {"registryScopes": ["*"]},
                    STATEMENT | {"name": "b", "registryScopes": ["*"]},
                ],
            },
            'registry scope "*" is present in multiple',
            id="N11-two-global-statements",
        ),
        pytest.param(
            DOCUMENT | {"globalPolicy": True}, "globalPolicy: malformed trust policy, unknown field", id="N12-top"
        ),
        pytest.param(
            document(TrustStores=["ca:b"]), "TrustStores: malformed trust policy, unknown field", id="N12-case"
        ),
        pytest.param(verification(Override={}), "Override: malformed trust policy, unknown field", id="N12-nested"),
        pytest.param([], "malformed trust policy, got a list of 0, expected an object", id="N12-no-object"),
        pytest.param(document(registryScopes="*"), "expected a list of at most", id="N12-text-for-list"),
        pytest.param(document(registryScopes=[1]), "expected a list of texts", id="N12-number-in-list"),
        pytest.param({"version": "1.0", "trustPolicies": ["a"]}, "expected an object", id="N12-text-for-statement"),
    ],
)
def test_a_wrong_document_is_refused(value: object, expected: str):
    """A document with anything wrong is refused, in notation-go's words."""
    assert expected in problems(value)


def test_every_problem_is_named():
    """A person mends a document once, not once a problem."""
    wrong = document(name="", trustStores=["x"], registryScopes=["*", "a"]) | {"version": ""}
    assert len(problems(wrong).splitlines()) >= 5


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"version": "1.0", "version": "1.0", "trustPolicies": []}', id="N12-repeated-key"),
        pytest.param(b'{"version": "1.0", "trustPolicies": [NaN]}', id="N12-nan"),
        pytest.param(json.dumps(DOCUMENT).encode() + b"{}", id="N12-second-document"),
        pytest.param(b"\xff" + json.dumps(DOCUMENT).encode(), id="N12-not-utf-8"),
        pytest.param(b"", id="N12-empty"),
        pytest.param(b" " * (MAX_POLICY_BYTES + 1), id="N12-too-large"),
        pytest.param(b"[" * 100_000, id="N12-too-deep"),
    ],
)
def test_loose_json_is_refused(content: bytes):
    """What two parsers could read in two ways is no policy."""
    with pytest.raises(PolicyError, match="malformed trust policy"):
        parse_trust_policy(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*STATEMENT, "version"]), inner),
        max_leaves=8,
    )
)
def test_any_value_is_a_document_or_a_policy_error(value: object):
    """Nothing but PolicyError comes out of a wrong value, wherever it stands."""
    for candidate in (value, {"version": "1.0", "trustPolicies": value}, {"version": "1.0", "trustPolicies": [value]}):
        with pytest.raises(PolicyError):
            read_trust_policy(candidate)


@given(
    st.sampled_from(sorted(STATEMENT)),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=2),
)
def test_any_field_is_well_or_a_policy_error(field: str, value: object):
    """A wrong field is named by its path."""
    named: tuple[str, ...] = ()
    try:
        read_trust_policy(document(**{field: value}))
    except PolicyError as error:
        named = error.problems
    assert all(problem.startswith("trustPolicies") for problem in named)
