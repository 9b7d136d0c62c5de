"""Authorities and the section ``signatures`` as shapes."""

from collections.abc import Callable
from typing import Final

from tidegate.policy.names import name_text
from tidegate.policy.notation_authority import NOTATION
from tidegate.policy.shape import Choice, Field, Flag, ListOf, Section, exactly_one
from tidegate.policy.signatures import Authority, Children, SignatureRules
from tidegate.policy.sigstore_authority import SIGSTORE

MAX_AUTHORITIES: Final = 16

Named = Callable[..., Authority]
"""The signers of an authority, still without its name."""


def _authority(*, name: str, signers: Named) -> Authority:
    return signers(name=name)


_NAME = Field("name", name_text("authority"), "The authority's name, unique in its list.", required=True)
_SIGSTORE = "Signers with Sigstore, whose signatures cosign makes: exactly one of `identities` and `key`."

AUTHORITY: Final = Section(
    build=_authority,
    description="One authority: signers with Notation, which AWS Signer uses, or with Sigstore, which cosign uses.",
    checks=(exactly_one("notation", "sigstore"),),
    fields=(
        _NAME,
        Field(
            "notation",
            NOTATION,
            "Signers with Notation, the Notary Project's signatures, which AWS Signer makes.",
            into="signers",
        ),
        Field("sigstore", SIGSTORE, _SIGSTORE, into="signers"),
    ),
)

SIGSTORE_AUTHORITY: Final = Section(
    build=_authority,
    description="One authority: signers with Sigstore. Notation does not sign attestations.",
    fields=(_NAME, Field("sigstore", SIGSTORE, _SIGSTORE, required=True, into="signers")),
)
"""An authority for attestations."""


def list_of_authorities(shape: Section[Authority], maximum: int) -> ListOf[Authority]:
    """Return the shape of authorities of which one suffices."""
    return ListOf(item=shape, minimum=1, maximum=maximum, key="name")


SIGNATURES: Final = Section(
    build=SignatureRules,
    fields=(
        Field(
            "anyOf",
            list_of_authorities(AUTHORITY, MAX_AUTHORITIES),
            "The authorities, each with a name that responses and attestations refer to. To require two signatures,"
            " write two policies.",
            required=True,
        ),
        Field(
            "children",
            Choice(words=Children),
            "Which parts of an index (a multi-platform image) must be signed. `IndexOnly`: the index; it names its"
            " images by digest, so its signature covers them. `All`: also each of its images that may run, for"
            " pipelines that sign each image.",
            default="IndexOnly",
        ),
        Field(
            "sameRepository",
            Flag(),
            "Refuses a signature that names another repository, if its format names one (cosign's older signatures"
            " do; Notation's and bundles do not). A signed image stays signed when it is copied to another repository;"
            " this setting prevents reuse of an old image under a new name.",
            default=False,
        ),
    ),
)
