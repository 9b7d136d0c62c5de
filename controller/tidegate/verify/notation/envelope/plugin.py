"""Signatures that require a verification plugin, and critical signed attributes, which have to be understood.

No plugin is ever started. One is known natively, AWS Signer's; every other name is unknown.
"""

from collections.abc import Collection

from tidegate.errors import UndeterminedError, VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.envelope.attributes import SignedAttributes
from tidegate.verify.notation.envelope.semantic_version import precedence

VERIFICATION_PLUGIN = "io.cncf.notary.verificationPlugin"
VERIFICATION_PLUGIN_MIN_VERSION = "io.cncf.notary.verificationPluginMinVersion"
AWS_SIGNER_PLUGIN = "com.amazonaws.signer.notation.plugin"
KNOWN_PLUGINS = {AWS_SIGNER_PLUGIN: "1.0.350"}
"""Plugins whose verification logic is built in, and the version of it that is."""


def required_plugin(attributes: SignedAttributes) -> str | None:
    """Return the known plugin that the signature requires, or None when it requires none.

    Raise VerificationError for a malformed requirement, UndeterminedError when the plugin is not known or too old.
    Source: Notary Project plugin extensibility specification, and notation-go's verifier.
    """
    # N43
    name = _critical_text(attributes, VERIFICATION_PLUGIN)
    if name is None:
        return None
    if name not in KNOWN_PLUGINS:
        raise UndeterminedError(
            f"error while locating the verification plugin {quoted(name)}, make sure the plugin is installed"
            " successfully before verifying the signature",
            clause="the signature needs a verification plugin that tidegate does not support",
        )
    _check_version(attributes, name, KNOWN_PLUGINS[name])
    return name


def check_critical_attributes(attributes: SignedAttributes, processed: Collection[str]) -> None:
    """Return when each critical extended attribute is among the processed ones; raise VerificationError otherwise."""
    # N40
    for attribute in attributes.extended:
        if attribute.critical and attribute.label not in processed:
            raise VerificationError(f"extended critical attribute {quoted(attribute.label)} was not processed")


def _check_version(attributes: SignedAttributes, name: str, ours: str) -> None:
    # N44
    try:
        wanted = _critical_text(attributes, VERIFICATION_PLUGIN_MIN_VERSION)
        newer = wanted is not None and precedence(wanted) > precedence(ours)
    except VerificationError as error:
        text = str(error)
        if text == "is not a valid SemVer":
            text = f"{VERIFICATION_PLUGIN_MIN_VERSION} from extended attribute {text}"
        raise UndeterminedError(f"error while getting plugin minimum version, error: {text}") from error
    if newer:
        raise UndeterminedError(
            f"found plugin {name} with version {ours} but signature verification needs plugin version greater than or"
            f" equal to {quoted(wanted)[1:-1]}",
            clause="the signature needs a newer version of a verification plugin",
        )


def _critical_text(attributes: SignedAttributes, label: str) -> str | None:
    attribute = attributes.attribute(label)
    if attribute is None:
        return None
    if not attribute.critical:
        raise VerificationError(f"{label} is not a critical Extended attribute")
    if not isinstance(attribute.value, str):
        raise VerificationError(f"{label} from extended attribute is not a string")
    if not attribute.value.strip():
        raise VerificationError(f"{label} from extended attribute is an empty string")
    return attribute.value
