"""A signature that says "understand this" is refused where nobody does."""

import pytest

from tests.simulator.pki import aws_signer
from tests.simulator.pki.envelopes import COSE, JWS, sign
from tests.unit.verify.notation.world import failed_step, refusal, signer, statement, stores, verify
from tidegate.errors import VerificationError
from tidegate.verify.notation.envelope.plugin import (
    AWS_SIGNER_PLUGIN,
    VERIFICATION_PLUGIN,
    VERIFICATION_PLUGIN_MIN_VERSION,
)
from tidegate.verify.notation.envelope.semantic_version import precedence
from tidegate.verify.step import Conclusion


@pytest.mark.parametrize("media_type", [JWS, COSE])
@pytest.mark.parametrize(
    "label",
    [
        pytest.param("com.example.new", id="N40-unknown"),
        pytest.param(VERIFICATION_PLUGIN_MIN_VERSION, id="N40-plugin-version-without-plugin"),
        pytest.param("com.amazonaws.signer.signingJob", id="N40-known-to-a-plugin-that-is-not-demanded"),
    ],
)
def test_an_unknown_critical_attribute_is_refused(media_type: str, label: str):
    """Also where no plugin is named, which notation-go lets pass."""
    outcome = verify(sign(signer(), media_type, extended={label: "1.0.0"}, critical=(label,)), media_type)
    assert f'extended critical attribute "{label}" was not processed' in refusal(outcome)
    assert failed_step(outcome) == 6


@pytest.mark.parametrize("label", [pytest.param(40, id="N40-number-as-label")])
def test_an_unknown_critical_number_is_refused(label: int):
    """COSE may name attributes by numbers; those count too."""
    outcome = verify(sign(signer(), COSE, extended={label: "x"}, critical=(label,)), COSE)
    assert f'extended critical attribute "{label}" was not processed' in refusal(outcome)


@pytest.mark.parametrize(
    "media_type", [pytest.param(JWS, id="N40-jws-uncritical"), pytest.param(COSE, id="N40-cose-uncritical")]
)
def test_an_uncritical_attribute_may_be_unknown(media_type: str):
    """What is not critical may be ignored."""
    assert verify(sign(signer(), media_type, extended={"a": {"b": 1}}), media_type).conclusion is Conclusion.VERIFIED


def demanding(name: object, version: object = None, *, critical: bool = True) -> bytes:
    extended = {VERIFICATION_PLUGIN: name}
    if version is not None:
        extended[VERIFICATION_PLUGIN_MIN_VERSION] = version
    return sign(signer(), extended=extended, critical=tuple(extended) if critical else ())


@pytest.mark.parametrize(
    ("envelope", "expected", "conclusion"),
    [
        pytest.param(
            demanding("com.example.plugin"),
            'error while locating the verification plugin "com.example.plugin", make sure the plugin is installed',
            Conclusion.INCONCLUSIVE,
            id="N43-unknown-plugin",
        ),
        pytest.param(
            demanding("COM.amazonaws.signer.notation.plugin"),
            "error while locating the verification plugin",
            Conclusion.INCONCLUSIVE,
            id="N43-name-in-other-case",
        ),
        pytest.param(
            demanding(AWS_SIGNER_PLUGIN, critical=False),
            f"{VERIFICATION_PLUGIN} is not a critical Extended attribute",
            Conclusion.FAILED,
            id="N43-not-critical",
        ),
        pytest.param(
            demanding(7),
            f"{VERIFICATION_PLUGIN} from extended attribute is not a string",
            Conclusion.FAILED,
            id="N43-number",
        ),
        pytest.param(
            demanding("  "),
            f"{VERIFICATION_PLUGIN} from extended attribute is an empty string",
            Conclusion.FAILED,
            id="N43-blank",
        ),
        pytest.param(
            demanding(AWS_SIGNER_PLUGIN, "1.0"),
            f"{VERIFICATION_PLUGIN_MIN_VERSION} from extended attribute is not a valid SemVer",
            Conclusion.INCONCLUSIVE,
            id="N44-no-version",
        ),
        pytest.param(
            demanding(AWS_SIGNER_PLUGIN, 1),
            f"{VERIFICATION_PLUGIN_MIN_VERSION} from extended attribute is not a string",
            Conclusion.INCONCLUSIVE,
            id="N44-number",
        ),
        pytest.param(
            demanding(AWS_SIGNER_PLUGIN, "1.0.351"),
            "signature verification needs plugin version greater than or equal to 1.0.351",
            Conclusion.INCONCLUSIVE,
            id="N44-newer",
        ),
    ],
)
def test_an_unfulfilled_demand_is_refused(envelope: bytes, expected: str, conclusion: Conclusion):
    """A plugin that is missing or too old leaves the signature undecided; an ill-formed demand is a bad signature."""
    outcome = verify(envelope)
    assert expected in refusal(outcome)
    assert outcome.conclusion is conclusion
    assert failed_step(outcome) == 6


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("1.0.350", id="N44-just-so"),
        pytest.param("1.0.350-rc.1", id="N44-before-the-release"),
        pytest.param("0.9.9+build.7", id="N44-older"),
    ],
)
def test_our_version_is_new_enough(version: str):
    """Ours or an older one is fulfilled; what fails then is the step behind it."""
    leaf = aws_signer.signer_leaf()
    envelope = aws_signer.sign_as_aws(leaf, changes={VERIFICATION_PLUGIN_MIN_VERSION: version})
    policy = statement(
        stores=("signingAuthority:acme",), identities=(aws_signer.PROFILE,), override={"revocation": "skip"}
    )
    outcome = verify(envelope, policy=policy, trusted=stores(signingAuthority=leaf.root))
    assert outcome.conclusion is Conclusion.VERIFIED


ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
]


def test_versions_are_ordered_as_semantic_versioning_says():
    """The order of section 11 of the specification, and numbers by value."""
    versions = [*ORDER, "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    shuffled = versions[::-1]
    assert sorted(shuffled, key=precedence) == versions
    assert precedence("1.0.0+a") == precedence("1.0.0+b")


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0 ", "1.0.0\n", "1" * 300]
)
def test_other_texts_are_no_version(text: str):
    """Nothing is guessed."""
    with pytest.raises(VerificationError):
        precedence(text)
