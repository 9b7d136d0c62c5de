"""Shapes of names and other short texts that several sections share."""

from typing import Final

from tidegate.policy.shape import Text

NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
OBJECT_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
PRINTABLE_PATTERN: Final = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
"""One line without spaces around it."""


def name_text(what: str) -> Text[str]:
    """Return the shape of a name that messages and other parts of the policy refer to."""
    return Text(
        expected=f"the {what}'s name, of at most 63 lower-case letters, digits and -",
        do="write it such as release or ci-2",
        make=str,
        maximum=63,
        pattern=NAME_PATTERN,
    )


def object_name(kind: str, *, maximum: int = 253, pattern: str = OBJECT_PATTERN) -> Text[str]:
    """Return the shape of the name of a Kubernetes object."""
    do = f"see kubectl get {kind.lower()}s"
    return Text(expected=f"the name of a {kind}", do=do, make=str, maximum=maximum, pattern=pattern)


TRUST_STORE_NAME: Final = object_name("TrustStore")
