"""Specs with signatures and attestations, for the parser and for the API server; ``examples`` has the other sections.

``UNSEEN`` are refused by the parser alone: what is wrong with them no schema and no rule can see.
"""

from typing import Any

PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
SUBJECT = "x509.subject: C=US, ST=WA, O=Acme"
KMS = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GITHUB = "https://token.actions.githubusercontent.com"
WORKFLOW = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"

P256 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbRh9u4SBoaLXU3ns7BKSoouUm0iT
ciq91Ro4as9IShTc3EJRVdFW1naNpNwFrOivXwWPtXa/bD8nPhtIFnIzOg==
-----END PUBLIC KEY-----
"""
ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA5XZicCIjfwgmxENF7JKgOu1exFVPTcqKkqIWZh3eWhU=
-----END PUBLIC KEY-----
"""
RSA_1024 = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDo2pS+nICXrtO0GfJkZlY3MaI3
tfUm7kXtjgs6JbxtE1fe4t3YfiDMGrNs9U5Sz+ssX0uTcv5ZJDVWvgzy63/iqgES
vgfeSCrXBgoJ9TFviXu8hc0zHUnhSqnl65jf4DYwSERY8s4EebJ4iy6G4I0FtCkA
DZNiyh2k6Gt7HxDSlwIDAQAB
-----END PUBLIC KEY-----
"""
SECP256K1 = """-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEzl48hTD9vFknZIl19Pe7uRduVp0asGYY
LgKo3PiUzfq9aOjCpFj2wUPJR839BCg9gs58rFHp+xR3GNeSBV3mig==
-----END PUBLIC KEY-----
"""

WHO: dict[str, Any] = {"issuer": GITHUB, "subject": WORKFLOW}
NOTATION: dict[str, Any] = {"trustStores": ["aws-signer"], "trustedIdentities": [PROFILE]}
KEYLESS: dict[str, Any] = {"trustedRoot": "public-good", "identities": [WHO]}
KEYED: dict[str, Any] = {"trustedRoot": "public-good", "key": {"pem": P256}}

FULL_SIGNATURES: dict[str, Any] = {
    "anyOf": [
        {
            "name": "aws-signer",
            "notation": {
                "trustStores": ["aws-signer", "acme-tsa"],
                "trustedIdentities": [PROFILE, SUBJECT],
                "level": "permissive",
                "overrides": {
                    "authenticity": "log",
                    "authenticTimestamp": "enforce",
                    "expiry": "enforce",
                    "revocation": "skip",
                },
                "verifyTimestamp": "afterCertExpiry",
                "requiredMetadata": {"environment": "prod"},
            },
        },
        {
            "name": "ci",
            "sigstore": {
                "trustedRoot": "public-good",
                "identities": [
                    {"issuer": GITHUB, "subjectRegExp": "https://github.com/acme/.+"},
                    {"issuerRegExp": r"https://gitlab\.acme\.example/.*", "subject": "release@acme.example"},
                ],
            },
        },
        {
            "name": "keyed",
            "sigstore": {"key": {"pem": P256, "hashAlgorithm": "sha512"}, "transparencyLog": "NotRequired"},
        },
        {"name": "kms", "sigstore": {"trustedRoot": "public-good", "key": {"kms": KMS}}},
        {"name": "builder", "sigstore": KEYLESS},
    ],
    "children": "All",
    "sameRepository": True,
}
FULL_ATTESTATIONS: list[dict[str, Any]] = [
    {
        "name": "provenance",
        "predicateType": "https://slsa.dev/provenance/v1",
        "authorities": ["builder"],
        "conditions": ["predicate.runDetails.builder.id == 'https://github.com/actions/runner'"],
    },
    {
        "name": "scan",
        "predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1",
        "anyOf": [
            {
                "name": "scanner",
                "sigstore": {
                    "trustedRoot": "acme",
                    "identities": [
                        {"issuer": GITHUB, "subjectRegExp": "https://github.com/acme/scan.+"},
                        {"issuerRegExp": r"https://gitlab\.acme\.example/.*", "subject": "scan@acme.example"},
                    ],
                },
            },
            {
                "name": "scanner-key",
                "sigstore": {"key": {"pem": P256, "hashAlgorithm": "sha256"}, "transparencyLog": "NotRequired"},
            },
            {"name": "scanner-kms", "sigstore": {"trustedRoot": "acme", "key": {"kms": KMS}}},
        ],
    },
]
"""Every field, each with another value than its default."""


def any_of(*authorities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"signatures": {"anyOf": list(authorities)} | fields}


def by_notation(**fields: Any) -> dict[str, Any]:
    return any_of({"name": "a", "notation": NOTATION | fields})


def by_identity(**fields: Any) -> dict[str, Any]:
    return any_of({"name": "a", "sigstore": {"trustedRoot": "public-good", "identities": [fields]}})


def by_sigstore(**fields: Any) -> dict[str, Any]:
    return any_of({"name": "a", "sigstore": fields})


def by_key(**fields: Any) -> dict[str, Any]:
    return by_sigstore(trustedRoot="public-good", key=fields)


def attested(**fields: Any) -> dict[str, Any]:
    """Return a spec with one attestation beside a keyless authority ``ci`` and a Notation authority ``aws``."""
    attestation = {"name": "sbom", "predicateType": "https://spdx.dev/Document", "authorities": ["ci"]} | fields
    present = {name: value for name, value in attestation.items() if value is not None}
    both = any_of({"name": "ci", "sigstore": KEYLESS}, {"name": "aws", "notation": NOTATION})
    return both | {"attestations": [present]}


ACCEPTED: dict[str, dict[str, Any]] = {
    "signatures alone": by_notation(),
    "attestations alone": {
        "attestations": [
            {"name": "sbom", "predicateType": "t", "anyOf": [{"name": "ci", "sigstore": KEYLESS}]},
        ]
    },
    "sixteen authorities": any_of(*({"name": f"a{index}", "notation": NOTATION} for index in range(16))),
    "the longest authority name": any_of({"name": "a" * 63, "notation": NOTATION}),
    "eight trust stores": by_notation(trustStores=[f"s{index}" for index in range(8)]),
    "the longest trust store name": by_notation(trustStores=["a" * 253]),
    "a trust store with a dot": by_notation(trustStores=["acme.v2"]),
    "every signer of the trust stores": by_notation(trustedIdentities=["*"]),
    "sixteen identities": by_notation(trustedIdentities=[f"{SUBJECT}, OU=U{index}" for index in range(16)]),
    "a profile's version": by_notation(trustedIdentities=[f"{PROFILE}/abcdef1234"]),
    "a profile of another partition": by_notation(trustedIdentities=[PROFILE.replace("aws:", "aws-us-gov:", 1)]),
    "names that only overlap in part": by_notation(trustedIdentities=[f"{SUBJECT}, OU=A", f"{SUBJECT}, L=B"]),
    "the longest identity": by_notation(trustedIdentities=[SUBJECT + "x" * (1024 - len(SUBJECT))]),
    "an escaped comma": by_notation(trustedIdentities=[r"x509.subject: C=US,ST=WA,O=Acme\, Inc."]),
    "the level audit": by_notation(level="audit"),
    "revocation that is logged": by_notation(overrides={"revocation": "log"}),
    "no metadata": by_notation(requiredMetadata={}),
    "sixteen metadata": by_notation(requiredMetadata={f"k{index}": "v" for index in range(16)}),
    "the longest metadata": by_notation(requiredMetadata={"k" * 256: "v" * 1024}),
    "sixteen Sigstore identities": by_sigstore(trustedRoot="public-good", identities=[WHO] * 16),
    "expressions for both": by_identity(
        issuerRegExp="https://.+[.]acme[.]example", subjectRegExp="(?i).+@acme[.]example"
    ),
    "the longest subject": by_identity(issuer="i", subject="s" * 512),
    "a key without log": by_sigstore(key={"pem": P256}, transparencyLog="NotRequired"),
    "a key without log but with roots for its timestamp": by_sigstore(
        trustedRoot="acme", key={"pem": P256}, transparencyLog="NotRequired"
    ),
    "an Ed25519 key": by_key(pem=ED25519),
    "a key with space around it": by_key(pem=f"\n  {P256}\n\n"),
    "a key with its hash": by_key(pem=P256, hashAlgorithm="sha384"),
    "a KMS key with its hash": by_key(kms=KMS, hashAlgorithm="sha256"),
    "a multi-Region KMS key": by_key(kms="arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234"),
    "only the index": any_of({"name": "a", "notation": NOTATION}, children="IndexOnly"),
    "an attestation by name": attested(),
    "an attestation without conditions": attested(conditions=[]),
    "sixteen attestations": {
        "attestations": [
            {"name": f"a{index}", "predicateType": "t", "anyOf": [{"name": "ci", "sigstore": KEYLESS}]}
            for index in range(16)
        ]
    },
    "four authorities of an attestation": {
        "attestations": [
            {
                "name": "a",
                "predicateType": "t",
                "anyOf": [{"name": f"a{index}", "sigstore": KEYLESS} for index in range(4)],
            }
        ]
    },
    "sixteen conditions": attested(conditions=["predicate.a == 1"] * 16),
    "the longest condition": attested(conditions=["predicate.a == '" + "x" * (2048 - 17) + "'"]),
    "a condition with a macro": attested(conditions=["predicate.materials.all(m, m.uri.startsWith('git+https://'))"]),
    "the longest predicate type": attested(predicateType="t" * 512),
}


UNSEEN: dict[str, tuple[dict[str, Any], str]] = {
    "a distinguished name without state": (
        by_notation(trustedIdentities=["x509.subject: C=US, O=Acme"]),
        "trustedIdentities[0]: got 'x509.subject: C=US, O=Acme', expected a distinguished name with at least C, ST and O",
    ),
    "a distinguished name with a part twice": (
        by_notation(trustedIdentities=[f"{SUBJECT}, O=Acme"]),
        f"trustedIdentities[0]: got '{SUBJECT}, O=Acme', expected O once; remove one of the two",
    ),
    "a distinguished name of several parts in one": (
        by_notation(trustedIdentities=["x509.subject: C=US+ST=WA, O=Acme"]),
        "expected a comma between attributes",
    ),
    "an identity that is no distinguished name": (
        by_notation(trustedIdentities=["x509.subject: Acme"]),
        "expected a distinguished name such as C=US, ST=WA, O=Acme; see RFC 4514 for escapes",
    ),
    "a distinguished name with a value as DER": (
        by_notation(trustedIdentities=["x509.subject: C=US, ST=WA, O=#0c0441636d65"]),
        "expected no value that begins with #; write the value as text",
    ),
    "a distinguished name with a value as DER behind a space": (
        by_notation(trustedIdentities=["x509.subject: C=US, ST=WA, O= #0c0441636d65"]),
        "expected no value that begins with #; write the value as text",
    ),
    "a distinguished name that contains another": (
        by_notation(trustedIdentities=[SUBJECT, f"{SUBJECT}, OU=Release"]),
        "trustedIdentities: got a distinguished name that contains another, expected names of which none contains another",
    ),
    "an expression that fits everybody": (
        by_identity(issuer=GITHUB, subjectRegExp=".*"),
        "subjectRegExp: got '.*', expected an expression that does not match every identity",
    ),
    "an expression that fits everybody who is there": (
        by_identity(issuer=GITHUB, subjectRegExp="(https?|spiffe)://.+|.+@.+"),
        "it also matches 'https://stranger.invalid'",
    ),
    "an issuer's expression that fits every host": (
        by_identity(issuerRegExp="https://[^/]+", subject="s"),
        "issuerRegExp: got 'https://[^/]+', expected an expression that does not match every identity",
    ),
    "every e-mail address": (
        by_identity(issuer=GITHUB, subjectRegExp=r"[^@/]+@[^@]+"),
        "it also matches 'stranger@stranger.invalid'",
    ),
    "an expression with look-ahead": (
        by_identity(issuer=GITHUB, subjectRegExp="(?!x)y"),
        "subjectRegExp: got '(?!x)y', expected a regular expression in RE2's syntax; correct it",
    ),
    "an expression that needs too much memory": (
        by_identity(issuer=GITHUB, subjectRegExp="((a{500}){500})"),
        "expected a regular expression in RE2's syntax",
    ),
    "a text that is no key": (
        by_key(pem=P256.replace("MFkw", "AAAA")),
        "key.pem: got text that is not a public key, expected the PEM of an ECDSA",
    ),
    "a short RSA key": (by_key(pem=RSA_1024), "key.pem: got a public key of another kind or size"),
    "a key on another curve": (by_key(pem=SECP256K1), "key.pem: got a public key of another kind or size"),
    "a hash for a key that has its own": (
        by_key(pem=ED25519, hashAlgorithm="sha256"),
        "sigstore.key: got hashAlgorithm with an Ed25519 key, expected no hashAlgorithm",
    ),
    "a condition that is no CEL": (
        attested(conditions=["predicate.a =="]),
        "spec.attestations[0].conditions[0]: got 'predicate.a ==', expected an expression in CEL; correct it",
    ),
    "a condition over another variable": (
        attested(conditions=["subject.name == 'a'"]),
        "undeclared reference to 'subject.name' (in container '')); the only variable is predicate",
    ),
    "a condition that is a text": (
        attested(conditions=["'a'"]),
        "conditions[0]: got \"'a'\", which is of type STRING, expected an expression that is true or false",
    ),
    "a condition that may be anything": (
        attested(conditions=["predicate.reviewed"]),
        "conditions[0]: got 'predicate.reviewed', which is of type DYN, expected an expression that is true or false",
    ),
    "a condition that joins texts in a loop": (
        attested(conditions=["predicate.l.all(x, x + 'b' == 'ab')"]),
        "with + beside a loop (all, exists, exists_one, map, filter), expected one without the other",
    ),
    "a condition that searches for a text of the predicate's": (
        attested(conditions=["predicate.a.contains(predicate.b)"]),
        "which searches for something that is not written in it, expected contains and matches with a text in quotes",
    ),
    "a condition nested without end": (
        attested(conditions=["(" * 500 + "true" + ")" * 500]),
        "expected an expression in CEL; correct it (CANCELLED: Expression recursion limit exceeded",
    ),
}
