"""The section ``attestations`` as shapes, and the look-up of the authorities that it names in ``signatures``.

All attestations of the list are required. Each names authorities of ``signatures``, or has its own: most images with
attestations have no signature.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tidegate.policy.authorities import MAX_AUTHORITIES, SIGSTORE_AUTHORITY, list_of_authorities
from tidegate.policy.names import PRINTABLE_PATTERN, name_text
from tidegate.policy.shape import Field, ListOf, Section, Text, exactly_one
from tidegate.policy.signatures import AttestationRules, Authority, NotationAuthority, SignatureRules, SigstoreAuthority
from tidegate.strict.objection import describe, problem
from tidegate.verify.sigstore.cel import MAX_CONDITION, MAX_CONDITIONS, Condition, make_condition

MAX_ATTESTATIONS: Final = 16
MAX_OWN_AUTHORITIES: Final = 4
"""Authorities of one attestation's own. The API server refuses rules that more of them could make expensive."""
MAX_PREDICATE_TYPE: Final = 512


class UnresolvedAttestation(NamedTuple):
    """An attestation whose authorities are names that ``resolved`` replaces."""

    name: str
    predicate_type: str
    authorities: tuple[str, ...]
    any_of: tuple[SigstoreAuthority, ...]
    conditions: tuple[Condition, ...]


def _build(
    *,
    name: str,
    predicate_type: str,
    authorities: tuple[str, ...] = (),
    any_of: tuple[Authority, ...] = (),
    conditions: tuple[Condition, ...] = (),
) -> UnresolvedAttestation:
    return UnresolvedAttestation(name, predicate_type, authorities, tuple(map(_sigstore, any_of)), conditions)


ATTESTATION: Final = Section(
    build=_build,
    description="One attestation.",
    checks=(
        exactly_one(
            "authorities", "anyOf", do="name authorities of signatures, or write the attestation's own below anyOf"
        ),
    ),
    fields=(
        Field(
            "name", name_text("attestation"), "The attestation's name, for messages, unique in its list.", required=True
        ),
        Field(
            "predicateType",
            Text(
                expected="the URI of a predicate type, such as https://slsa.dev/provenance/v1",
                do="write it as it is in the attestation, on one line and without spaces around it",
                make=str,
                maximum=MAX_PREDICATE_TYPE,
                pattern=PRINTABLE_PATTERN,
                by_rule=True,
            ),
            "The type of its predicate, as it is in the signed statement, such as https://slsa.dev/provenance/v1.",
            required=True,
        ),
        Field(
            "authorities",
            ListOf(item=name_text("authority"), minimum=1, maximum=MAX_AUTHORITIES, unique=True),
            "Names of Sigstore authorities in `signatures.anyOf`; one must have signed it.",
        ),
        Field(
            "anyOf",
            list_of_authorities(SIGSTORE_AUTHORITY, MAX_OWN_AUTHORITIES),
            "The attestation's own authorities, instead of names, for images that have attestations and no signature. One"
            " must have signed it.",
        ),
        Field(
            "conditions",
            ListOf(
                item=Text(
                    expected=f"a condition in CEL of at most {MAX_CONDITION} characters",
                    do="write it such as predicate.buildType == 'https://example.com/build'",
                    make=make_condition,
                    maximum=MAX_CONDITION,
                ),
                maximum=MAX_CONDITIONS,
            ),
            "What must be true of the predicate, each an expression in CEL over the variable predicate. All must hold; one"
            " that cannot be computed does not.",
        ),
    ),
)

ATTESTATIONS: Final = ListOf(item=ATTESTATION, minimum=1, maximum=MAX_ATTESTATIONS, key="name")


def unknown_authorities(spec: object) -> Iterator[str]:
    """Yield a problem for each authority that an attestation of the spec names and that ``signatures`` does not have.

    Looks at the raw spec, so that these problems are reported with all the others; the shapes report malformed fields.
    """
    known = _kinds_by_name(spec)
    for index, written in enumerate(_list_in(spec, "attestations")):
        for position, name in enumerate(_list_in(written, "authorities")):
            kind = known.get(name) if isinstance(name, str) else "sigstore"
            if kind != "sigstore":
                signers = [known_name for known_name in known if known[known_name] == "sigstore"]
                yield problem(
                    f"spec.attestations[{index}].authorities[{position}]",
                    got=f"{describe(name)}, {'an authority of notation' if kind else 'not an authority of signatures'}",
                    expected="the name of a sigstore authority of signatures.anyOf",
                    do=f"use one of {', '.join(map(describe, signers))}"
                    if signers
                    else "add it there, or use anyOf here",
                )


def resolved(
    attestations: tuple[UnresolvedAttestation, ...], signatures: SignatureRules | None
) -> tuple[AttestationRules, ...]:
    """Return the attestations with their authorities; each name must be known, see ``unknown_authorities``."""
    by_name = {authority.name: authority for authority in (signatures.any_of if signatures else ())}
    return tuple(
        AttestationRules(
            name=written.name,
            predicate_type=written.predicate_type,
            any_of=written.any_of or tuple(_sigstore(by_name[name]) for name in written.authorities),
            conditions=written.conditions,
        )
        for written in attestations
    )


def _sigstore(authority: Authority) -> SigstoreAuthority:
    assert not isinstance(authority, NotationAuthority)
    return authority


def _list_in(value: object, field: str) -> list[Any]:
    found = value.get(field) if isinstance(value, Mapping) else None
    return list(found)[:MAX_AUTHORITIES] if isinstance(found, list | tuple) else []


def _kinds_by_name(spec: object) -> dict[str, str]:
    """Return the kind of each authority of ``signatures`` that has a name."""
    signatures = spec.get("signatures") if isinstance(spec, Mapping) else None
    authorities = [one for one in _list_in(signatures, "anyOf") if isinstance(one, Mapping)]
    return {
        one["name"]: "notation" if "notation" in one else "sigstore"
        for one in authorities
        if isinstance(one.get("name"), str)
    }
