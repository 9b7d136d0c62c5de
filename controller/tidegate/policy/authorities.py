"""Authorities and the section ``signatures`` as shapes: who may sign, as policies write it.

Names, limits and patterns are the CRD's; a test compares them. Beyond what the API server can see, expressions, keys and
distinguished names are read here, so that a policy that could never be met is refused instead of refusing every image.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from tidegate.policy.pattern import Wanted, make_exact, make_pattern
from tidegate.policy.public_key import EXPECTED, MAX_PEM, PEM_PATTERN, has_own_hash, make_pem
from tidegate.policy.shape import Choice, Field, Flag, ListOf, MapOf, Objection, Section, Text
from tidegate.policy.signatures import (
    AnyEnforcement,
    Authority,
    Children,
    Enforcement,
    HashAlgorithm,
    KeyedAuthority,
    KeylessAuthority,
    KmsKey,
    Level,
    NotationAuthority,
    PemKey,
    PublicKey,
    RevocationEnforcement,
    SignatureRules,
    SigstoreIdentity,
    TimestampRule,
    TransparencyLog,
    Validation,
)
from tidegate.policy.subject_name import PREFIX, overlap, read_subject

MAX_AUTHORITIES: Final = 16
MAX_TRUST_STORES: Final = 8
MAX_IDENTITIES: Final = 16
MAX_METADATA: Final = 16

NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
STORE_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
WILDCARD: Final = "*"
IDENTITY_PATTERN: Final = (
    r"^(\*|x509\.subject:[^\x00-\x1f\x7f]+|"
    r"arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:/signing-profiles/[A-Za-z0-9_]{2,64}(/[A-Za-z0-9]{10})?)$"
)
KMS_PATTERN: Final = r"^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$"
PRINTABLE_PATTERN: Final = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
"""One line without spaces around it."""

Named = Callable[..., Authority]
"""An authority but for its name."""


def name_text(what: str) -> Text[str]:
    """Return the shape of a name that other parts of the policy, or its answers, refer to."""
    return Text(
        expected=f"the {what}'s name, of at most 63 lower-case letters, digits and -",
        do="write it such as release or ci-2",
        make=str,
        maximum=63,
        pattern=NAME_PATTERN,
    )


TRUST_STORE_NAME: Final = Text(
    expected="the name of a TrustStore",
    do="see kubectl get truststores",
    make=str,
    maximum=253,
    pattern=STORE_PATTERN,
)


def _make_identity(text: str) -> str | Objection:
    if text.startswith(PREFIX):
        subject = read_subject(text)
        return subject if isinstance(subject, Objection) else text
    return text


def _identities_fit(identities: tuple[str, ...]) -> Objection | None:
    """Refuse the wildcard beside others (N9), and a name that contains another (N10)."""
    if WILDCARD in identities and len(identities) > 1:
        return Objection("* beside other identities", "* alone", "remove *, or all the others")
    read = [read_subject(identity) for identity in identities if identity.startswith(PREFIX)]
    if overlap([subject for subject in read if not isinstance(subject, Objection)]):
        return Objection(
            "a distinguished name that contains another", "names apart", "remove the longer one: it demands nothing"
        )
    return None


def _demands_of_overrides(written: Mapping[str, Any]) -> Objection | None:
    if written:
        return None
    return Objection("no validation", "at least one validation", "write revocation: log, or remove overrides")


def _overrides(**written: AnyEnforcement) -> Mapping[Validation, AnyEnforcement]:
    return MappingProxyType({Validation(name): enforcement for name, enforcement in written.items()})


def _notation(*, metadata: tuple[tuple[str, str], ...] = (), **fields: Any) -> Named:
    return partial(NotationAuthority, required_metadata=MappingProxyType(dict(metadata)), **fields)


_ENFORCEMENT = Choice(words=Enforcement)

OVERRIDES: Final = Section(
    build=_overrides,
    checks=(_demands_of_overrides,),
    fields=(
        *(
            Field(validation.value, _ENFORCEMENT, into=validation.value)
            for validation in Validation
            if validation is not Validation.REVOCATION
        ),
        Field(Validation.REVOCATION.value, Choice(words=RevocationEnforcement), into=Validation.REVOCATION.value),
    ),
)

NOTATION: Final = Section(
    build=_notation,
    fields=(
        Field(
            "trustStores",
            ListOf(item=TRUST_STORE_NAME, minimum=1, maximum=MAX_TRUST_STORES, unique=str),
            into="trust_stores",
            required=True,
        ),
        Field(
            "trustedIdentities",
            ListOf(
                item=Text(
                    expected="*, x509.subject: with a distinguished name, or the ARN of an AWS Signer profile",
                    do="write it such as x509.subject: C=US, ST=WA, O=Acme",
                    make=_make_identity,
                    maximum=1024,
                    pattern=IDENTITY_PATTERN,
                    by_rule=True,
                ),
                minimum=1,
                maximum=MAX_IDENTITIES,
                unique=str,
                check=_identities_fit,
            ),
            into="trusted_identities",
            required=True,
        ),
        Field("level", Choice(words=Level), into="level"),
        Field("overrides", OVERRIDES, into="overrides"),
        Field("verifyTimestamp", Choice(words=TimestampRule), into="verify_timestamp"),
        Field(
            "requiredMetadata",
            MapOf(
                key=Text(
                    expected="a key of 1 to 256 characters",
                    do="write the key that notation sign --user-metadata was given",
                    make=str,
                    maximum=256,
                    pattern=PRINTABLE_PATTERN,
                ),
                value=Text(
                    expected="a value of 1 to 1024 characters on one line",
                    do="write the value that notation sign --user-metadata was given",
                    make=str,
                    maximum=1024,
                    pattern=PRINTABLE_PATTERN,
                    by_rule=True,
                ),
                maximum=MAX_METADATA,
            ),
            into="metadata",
        ),
    ),
)


def _one_of(first: str, second: str) -> Any:
    def check(written: Mapping[str, Any]) -> Objection | None:
        if (first in written) != (second in written):
            return None
        got = f"both {first} and {second}" if first in written else f"neither {first} nor {second}"
        return Objection(got, f"exactly one of {first} and {second}", "keep one of them")

    return check


def _wanted(name: str, example: str) -> tuple[Field, Field]:
    exact: Text[Wanted] = Text(
        expected=f"the {name} as it stands in the certificate",
        do=f"write it such as {example}",
        make=make_exact,
        maximum=512,
        pattern=PRINTABLE_PATTERN,
        by_rule=True,
    )
    pattern: Text[Wanted] = Text(
        expected=f"an RE2 expression for the whole {name}",
        do="write one line of at most 512 characters",
        make=make_pattern,
        maximum=512,
        pattern=PRINTABLE_PATTERN,
        by_rule=True,
    )
    return Field(name, exact, into=name), Field(f"{name}RegExp", pattern, into=f"{name}_pattern")


def _identity(
    *,
    issuer: Wanted | None = None,
    issuer_pattern: Wanted | None = None,
    subject: Wanted | None = None,
    subject_pattern: Wanted | None = None,
) -> SigstoreIdentity:
    wanted_issuer, wanted_subject = issuer or issuer_pattern, subject or subject_pattern
    assert wanted_issuer is not None
    assert wanted_subject is not None
    return SigstoreIdentity(issuer=wanted_issuer, subject=wanted_subject)


IDENTITY: Final = Section(
    build=_identity,
    checks=(_one_of("issuer", "issuerRegExp"), _one_of("subject", "subjectRegExp")),
    fields=(
        *_wanted("issuer", "https://token.actions.githubusercontent.com"),
        *_wanted("subject", "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"),
    ),
)


def _hash_fits(written: Mapping[str, Any]) -> Objection | None:
    """Refuse a hash for a key that has its own: the choice would mean nothing."""
    pem = written.get("pem")
    if "hashAlgorithm" not in written or not isinstance(pem, str) or isinstance(make_pem(pem), Objection):
        return None
    if has_own_hash(pem):
        return Objection("hashAlgorithm with an Ed25519 key", "no hashAlgorithm", "remove it: Ed25519 has its own")
    return None


def _key(*, pem: str | None = None, arn: str | None = None, **algorithm: HashAlgorithm) -> PublicKey:
    if pem is not None:
        return PemKey(pem=pem, **algorithm)
    assert arn is not None
    return KmsKey(arn=arn, **algorithm)


KEY: Final = Section(
    build=_key,
    checks=(_one_of("pem", "kms"), _hash_fits),
    fields=(
        Field(
            "pem",
            Text(
                expected=EXPECTED,
                do="write the whole of it, from its BEGIN to its END line",
                make=make_pem,
                maximum=MAX_PEM,
                pattern=PEM_PATTERN,
                by_rule=True,
            ),
            into="pem",
        ),
        Field(
            "kms",
            Text(
                expected="the ARN of a key in AWS KMS, such as arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
                do="name the key itself; an alias can be pointed at another key",
                make=str,
                maximum=256,
                pattern=KMS_PATTERN,
                by_rule=True,
            ),
            into="arn",
        ),
        Field("hashAlgorithm", Choice(words=HashAlgorithm), into="hash_algorithm"),
    ),
)


def _roots_fit(written: Mapping[str, Any]) -> Objection | None:
    """Demand a trusted root where something is verified by it, and the log of every signature without a key."""
    log = written.get("transparencyLog", TransparencyLog.REQUIRED.value)
    if "identities" in written and log != TransparencyLog.REQUIRED.value:
        return Objection(
            "identities without transparency log", "transparencyLog: Required", "remove it, or verify by key"
        )
    if "trustedRoot" in written or ("key" in written and log == TransparencyLog.NOT_REQUIRED.value):
        return None
    do = "name a TrustStore of type sigstore; with a key, transparencyLog: NotRequired needs none"
    return Objection("no trustedRoot", "trustedRoot", do)


def _sigstore(*, identities: tuple[SigstoreIdentity, ...] = (), key: PublicKey | None = None, **fields: Any) -> Named:
    if key is not None:
        return partial(KeyedAuthority, key=key, **fields)
    return partial(KeylessAuthority, identities=identities, trusted_root=fields["trusted_root"])


SIGSTORE: Final = Section(
    build=_sigstore,
    checks=(_one_of("identities", "key"), _roots_fit),
    fields=(
        Field("trustedRoot", TRUST_STORE_NAME, into="trusted_root"),
        Field("identities", ListOf(item=IDENTITY, minimum=1, maximum=MAX_IDENTITIES), into="identities"),
        Field("key", KEY, into="key"),
        Field("transparencyLog", Choice(words=TransparencyLog), into="transparency_log"),
    ),
)


def _authority(*, name: str, notation: Named | None = None, sigstore: Named | None = None) -> Authority:
    named = notation or sigstore
    assert named is not None
    return named(name=name)


AUTHORITY: Final = Section(
    build=_authority,
    checks=(_one_of("notation", "sigstore"),),
    fields=(
        Field("name", name_text("authority"), into="name", required=True),
        Field("notation", NOTATION, into="notation"),
        Field("sigstore", SIGSTORE, into="sigstore"),
    ),
)


SIGSTORE_AUTHORITY: Final = Section(
    build=_authority,
    fields=(
        Field("name", name_text("authority"), into="name", required=True),
        Field("sigstore", SIGSTORE, into="sigstore", required=True),
    ),
)
"""An authority for what Notation does not sign."""


def authorities_of(shape: Section[Authority], maximum: int) -> ListOf[Authority]:
    """Return the shape of authorities of which one suffices."""
    return ListOf(item=shape, minimum=1, maximum=maximum, unique=lambda authority: authority.name)


SIGNATURES: Final = Section(
    build=SignatureRules,
    fields=(
        Field("anyOf", authorities_of(AUTHORITY, MAX_AUTHORITIES), into="any_of", required=True),
        Field("children", Choice(words=Children), into="children"),
        Field("sameRepository", Flag(), into="same_repository"),
    ),
)
