"""Signers with Sigstore as shapes: the field ``sigstore`` of an authority.

Expressions and keys are parsed here, which the API server cannot do, so that a policy that no image could meet is
refused.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from tidegate.policy.names import PRINTABLE_PATTERN, TRUST_STORE_NAME
from tidegate.policy.shape import Choice, Constraint, Field, ListOf, Section, Text, exactly_one
from tidegate.policy.signatures import (
    HashAlgorithm,
    KeyedAuthority,
    KeylessAuthority,
    KmsKey,
    PemKey,
    PublicKey,
    SigstoreAuthority,
    TransparencyLog,
)
from tidegate.strict.objection import Objection
from tidegate.strict.pattern import Wanted, make_exact, make_pattern
from tidegate.verify.sigstore.identity import SigstoreIdentity
from tidegate.verify.sigstore.pem_key import EXPECTED, MAX_PEM, PEM_PATTERN, has_own_hash, make_pem

MAX_IDENTITIES: Final = 16
KMS_PATTERN: Final = r"^arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$"


def _wanted(name: str, description: str, exact_example: str, pattern_example: str) -> tuple[Field, Field]:
    def text(expected: str, example: str, make: Callable[[str], Wanted | Objection]) -> Text[Wanted]:
        return Text(
            expected=f"{expected}, on one line and without spaces around it",
            do=f"write it such as {example}",
            make=make,
            maximum=512,
            pattern=PRINTABLE_PATTERN,
            by_rule=True,
        )

    whole = (
        f"A regular expression in RE2's syntax that must match the whole {name}. A dot matches any character unless a"
        " backslash is before it."
    )
    exact = text(f"the {name} as it is in the certificate", exact_example, make_exact)
    pattern = text(f"an RE2 expression for the whole {name}", pattern_example, make_pattern)
    return Field(name, exact, description), Field(f"{name}RegExp", pattern, whole, into=name)


IDENTITY: Final = Section(
    build=SigstoreIdentity,
    description="One identity, as it is in the signer's certificate.",
    checks=(exactly_one("issuer", "issuerRegExp"), exactly_one("subject", "subjectRegExp")),
    fields=(
        *_wanted(
            "issuer",
            "The OIDC issuer of the identity, exactly as in the certificate. Exactly one of `issuer` and"
            " `issuerRegExp` is required, and exactly one of `subject` and `subjectRegExp`, because the same subject from"
            " another issuer is another signer.",
            "https://token.actions.githubusercontent.com",
            "https://gitlab[.]example[.]com",
        ),
        *_wanted(
            "subject",
            "The signer, exactly as in the certificate: an e-mail address, or the URI of a workflow or workload.",
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
            "https://github[.]com/acme/.+",
        ),
    ),
)


def _hash_beside_own(written: Mapping[str, Any]) -> str | None:
    pem = written.get("pem")
    if "hashAlgorithm" not in written or not isinstance(pem, str) or isinstance(make_pem(pem), Objection):
        return None
    return "hashAlgorithm with an Ed25519 key" if has_own_hash(pem) else None


def _key(*, pem: str | None = None, arn: str | None = None, **algorithm: HashAlgorithm) -> PublicKey:
    if pem is not None:
        return PemKey(pem=pem, **algorithm)
    assert arn is not None
    return KmsKey(arn=arn, **algorithm)


KEY: Final = Section(
    build=_key,
    checks=(
        exactly_one("pem", "kms"),
        Constraint(expected="no hashAlgorithm", do="remove it: Ed25519 has its own", got=_hash_beside_own),
    ),
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
            "The key as PEM: ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits.",
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
            "The ARN of a key in AWS KMS. tidegate reads its public key when it reads the policy, not for each image."
            " Aliases are not allowed, because they can be pointed at another key.",
            into="arn",
        ),
        Field(
            "hashAlgorithm",
            Choice(words=HashAlgorithm),
            "The hash algorithm of the key's signatures; by default that of the key's curve, or `sha256` for RSA."
            " Older versions of cosign sign with `sha256` for all curves. Refused for Ed25519, which has its own.",
        ),
    ),
)


def _log(written: Mapping[str, Any]) -> object:
    return written.get("transparencyLog", TransparencyLog.REQUIRED.value)


def _no_root(written: Mapping[str, Any]) -> str | None:
    keyed_without_log = "key" in written and _log(written) == TransparencyLog.NOT_REQUIRED.value
    return None if "trustedRoot" in written or keyed_without_log else "no trustedRoot"


def _keyless_without_log(written: Mapping[str, Any]) -> str | None:
    required = "identities" not in written or _log(written) == TransparencyLog.REQUIRED.value
    return None if required else "identities without transparency log"


def _sigstore(
    *, identities: tuple[SigstoreIdentity, ...] = (), key: PublicKey | None = None, **fields: Any
) -> Callable[..., SigstoreAuthority]:
    if key is not None:
        return partial(KeyedAuthority, key=key, **fields)
    return partial(KeylessAuthority, identities=identities, trusted_root=fields["trusted_root"])


SIGSTORE: Final = Section(
    build=_sigstore,
    checks=(
        exactly_one("identities", "key"),
        Constraint(
            expected="trustedRoot, the name of a TrustStore of type sigstore",
            do="add it; only a key with transparencyLog: NotRequired needs none",
            got=_no_root,
            rule="has(self.trustedRoot) || (has(self.key) && self.transparencyLog == 'NotRequired')",
        ),
        Constraint(
            expected="transparencyLog: Required with identities",
            do="remove transparencyLog, or verify by key",
            got=_keyless_without_log,
            rule="has(self.key) || self.transparencyLog == 'Required'",
        ),
    ),
    fields=(
        Field(
            "trustedRoot",
            TRUST_STORE_NAME,
            "The name of a TrustStore of type `sigstore`: the certificate authorities and transparency logs of"
            " Sigstore's public instance, or of your own. Required, except for a key without transparency log.",
        ),
        Field(
            "identities",
            ListOf(item=IDENTITY, minimum=1, maximum=MAX_IDENTITIES),
            "Who may sign without a key; one of them must fit. Both issuer and subject are compared, because the same name"
            " by another issuer is another signer.",
        ),
        Field("key", KEY, "The signer's public key: exactly one of `pem` and `kms`."),
        Field(
            "transparencyLog",
            Choice(words=TransparencyLog),
            "Whether a signature by key must be in the transparency log: `Required` or `NotRequired`. Without the"
            " log, the signing time is unknown, so a signature by a stolen key looks like any other. Always required"
            " for identities.",
            default="Required",
        ),
    ),
)
