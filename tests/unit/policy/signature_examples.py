"""Specs with signatures and attestations, for the parser and for the API server; ``examples`` has the other sections.

``UNSEEN`` are refused by the parser alone: what is wrong with them no schema and no rule can see.
"""

from typing import Any

from tests.unit.policy.refusal import UNKNOWN, Refused

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

LINE = "on one line and without spaces around it; write it"
STAR = "expected * alone; remove *, which trusts every signer, or all the others"
ROOT = "expected trustedRoot, the name of a TrustStore of type sigstore"
IDENTITY = "expected *, x509.subject: with a distinguished name"
METADATA_KEY = "expected a key of 1 to 256 characters on one line"

REFUSED: dict[str, Refused] = {
    "signatures without authorities": Refused(
        {"signatures": {}},
        "spec.signatures.anyOf: got nothing, expected a list",
        "spec.signatures.anyOf: Required value",
    ),
    "no authority": Refused(
        any_of(), "spec.signatures.anyOf: got a list of 0, expected 1 to 16 items", "should have at least 1 items"
    ),
    "seventeen authorities": Refused(
        any_of(*({"name": f"a{index}", "notation": NOTATION} for index in range(17))),
        "spec.signatures.anyOf: got a list of 17",
        "must have at most 16 items",
    ),
    "an authority twice": Refused(
        any_of({"name": "a", "notation": NOTATION}, {"name": "a", "sigstore": KEYLESS}),
        "spec.signatures.anyOf: got 'a' twice, expected each once",
        "spec.signatures.anyOf[1]: Duplicate value",
    ),
    "an authority without name": Refused(
        any_of({"notation": NOTATION}), "spec.signatures.anyOf[0].name: got nothing", "anyOf[0].name: Required value"
    ),
    "an authority named in upper case": Refused(
        any_of({"name": "CI", "sigstore": KEYLESS}),
        "spec.signatures.anyOf[0].name: got 'CI', expected the authority's name",
        "name in body should match",
    ),
    "an authority with a long name": Refused(
        any_of({"name": "a" * 64, "sigstore": KEYLESS}), "anyOf[0].name: got 'aaa", "may not be more than 63"
    ),
    "an authority of no kind": Refused(
        any_of({"name": "a"}),
        "spec.signatures.anyOf[0]: got neither notation nor sigstore, expected exactly one of notation and sigstore",
        "expected exactly one of notation and sigstore",
    ),
    "an authority of both kinds": Refused(
        any_of({"name": "a", "notation": NOTATION, "sigstore": KEYLESS}),
        "spec.signatures.anyOf[0]: got both notation and sigstore",
        "expected exactly one of notation and sigstore",
    ),
    "an unknown kind of authority": Refused(
        any_of({"name": "a", "cosign": {}}),
        "anyOf[0].cosign: got a field that",
        f'{UNKNOWN} "spec.signatures.anyOf[0].c',
    ),
    "Notation without trust stores": Refused(
        any_of({"name": "a", "notation": {"trustedIdentities": ["*"]}}),
        "notation.trustStores: got nothing, expected a list",
        "notation.trustStores: Required value",
    ),
    "Notation without identities": Refused(
        any_of({"name": "a", "notation": {"trustStores": ["a"]}}),
        "notation.trustedIdentities: got nothing, expected a list",
        "notation.trustedIdentities: Required value",
    ),
    "no trust store": Refused(by_notation(trustStores=[]), "trustStores: got a list of 0", "at least 1 items"),
    "nine trust stores": Refused(
        by_notation(trustStores=[f"s{index}" for index in range(9)]), "trustStores: got a list of 9", "at most 8 items"
    ),
    "a trust store twice": Refused(
        by_notation(trustStores=["s", "s"]), "trustStores: got 's' twice", 'trustStores[1]: Duplicate value: "s"'
    ),
    "a trust store with its type": Refused(
        by_notation(trustStores=["ca:acme"]),
        "trustStores[0]: got 'ca:acme', expected the name of a TrustStore; see kubectl get truststores",
        "trustStores[0] in body should match",
    ),
    "a trust store with a long name": Refused(
        by_notation(trustStores=["a" * 254]), "trustStores[0]: got 'aaa", "may not be more than 253"
    ),
    "no identity": Refused(by_notation(trustedIdentities=[]), "trustedIdentities: got a list of 0", "at least 1 items"),
    "seventeen identities": Refused(
        by_notation(trustedIdentities=[f"{SUBJECT}, OU=U{index}" for index in range(17)]),
        "trustedIdentities: got a list of 17",
        "at most 16 items",
    ),
    "an identity twice": Refused(
        by_notation(trustedIdentities=[PROFILE, PROFILE]), "trustedIdentities: got 'arn:aws:", "Duplicate value"
    ),
    "the star beside another": Refused(
        by_notation(trustedIdentities=["*", PROFILE]),
        f"trustedIdentities: got * beside other identities, {STAR}",
        STAR,
    ),
    "an identity of no kind": Refused(
        by_notation(trustedIdentities=["release"]),
        "trustedIdentities[0]: got 'release', expected *, x509.subject: with a distinguished name",
        IDENTITY,
    ),
    "an identity of another plug-in": Refused(
        by_notation(trustedIdentities=["vault.key:release"]), "trustedIdentities[0]: got 'vault", IDENTITY
    ),
    "an ARN that is no profile": Refused(by_notation(trustedIdentities=[KMS]), "Identities[0]: got 'arn", IDENTITY),
    "a profile with a star": Refused(
        by_notation(trustedIdentities=[PROFILE + "*"]), "Identities[0]: got 'arn", IDENTITY
    ),
    "an identity longer than any": Refused(
        by_notation(trustedIdentities=[SUBJECT + "x" * (1025 - len(SUBJECT))]), "Identities[0]: got", "than 1024"
    ),
    "an identity of two lines": Refused(
        by_notation(trustedIdentities=[SUBJECT + "\n"]), r"Acme\n', expected *", IDENTITY
    ),
    "the level skip": Refused(
        by_notation(level="skip"),
        "notation.level: got 'skip', expected strict or permissive or audit",
        'notation.level: Unsupported value: "skip"',
    ),
    "no override": Refused(
        by_notation(overrides={}),
        "notation.overrides: got no field, expected at least one of authenticity, authenticTimestamp",
        "overrides in body should have at least 1 properties",
    ),
    "integrity overridden": Refused(
        by_notation(overrides={"integrity": "log"}), "overrides.integrity: got a field that does not", f"{UNKNOWN} "
    ),
    "authenticity skipped": Refused(
        by_notation(overrides={"authenticity": "skip"}),
        "overrides.authenticity: got 'skip', expected enforce or log",
        'overrides.authenticity: Unsupported value: "skip"',
    ),
    "the timestamp skipped": Refused(
        by_notation(overrides={"authenticTimestamp": "skip"}),
        "overrides.authenticTimestamp: got 'skip'",
        'authenticTimestamp: Unsupported value: "skip"',
    ),
    "expiry skipped": Refused(
        by_notation(overrides={"expiry": "skip"}), "expiry: got 'skip'", 'expiry: Unsupported value: "skip"'
    ),
    "an unknown word for revocation": Refused(
        by_notation(overrides={"revocation": "off"}),
        "overrides.revocation: got 'off', expected enforce or log or skip",
        'overrides.revocation: Unsupported value: "off"',
    ),
    "an unknown time for timestamps": Refused(
        by_notation(verifyTimestamp="never"), "verifyTimestamp: got 'never'", 'Unsupported value: "never"'
    ),
    "seventeen metadata": Refused(
        by_notation(requiredMetadata={f"k{index}": "v" for index in range(17)}),
        "requiredMetadata: got 17 entries",
        "must have at most 16 items",
    ),
    "metadata with an empty value": Refused(
        by_notation(requiredMetadata={"k": ""}), "requiredMetadata.k: got ''", "should be at least 1 chars long"
    ),
    "metadata with a number": Refused(
        by_notation(requiredMetadata={"k": 1}), "requiredMetadata.k: got the number 1", "must be of type string"
    ),
    "metadata with an empty key": Refused(by_notation(requiredMetadata={"": "v"}), "requiredMetadata", METADATA_KEY),
    "metadata with a long key": Refused(
        by_notation(requiredMetadata={"k" * 257: "v"}), "requiredMetadata", METADATA_KEY
    ),
    "metadata with a space behind its value": Refused(
        by_notation(requiredMetadata={"k": "v "}),
        "requiredMetadata.k: got 'v '",
        "expected a value of 1 to 1024 characters on one line, without spaces around it",
    ),
    "metadata with a long value": Refused(
        by_notation(requiredMetadata={"k": "v" * 1025}), "requiredMetadata.k: got", "may not be more than 1024"
    ),
    "Sigstore without anybody": Refused(
        by_sigstore(trustedRoot="public-good"),
        "sigstore: got neither identities nor key, expected exactly one of identities and key",
        "expected exactly one of identities and key",
    ),
    "Sigstore with identities and key": Refused(
        by_sigstore(**KEYLESS, key={"pem": P256}),
        "sigstore: got both identities and key",
        "expected exactly one of identities and key",
    ),
    "identities without trusted root": Refused(
        by_sigstore(identities=[WHO]),
        f"sigstore: got no trustedRoot, {ROOT}; add it",
        ROOT,
    ),
    "a key with log but without trusted root": Refused(
        by_sigstore(key={"pem": P256}), "sigstore: got no trustedRoot", ROOT
    ),
    "identities without log": Refused(
        by_sigstore(**KEYLESS, transparencyLog="NotRequired"),
        "sigstore: got identities without transparency log, expected transparencyLog: Required with identities",
        "expected transparencyLog: Required with identities",
    ),
    "a trusted root in upper case": Refused(
        by_sigstore(**(KEYLESS | {"trustedRoot": "Public"})),
        "sigstore.trustedRoot: got 'Public'",
        "trustedRoot in body should match",
    ),
    "no Sigstore identity": Refused(
        by_sigstore(trustedRoot="r", identities=[]), "identities: got a list of 0", "should have at least 1 items"
    ),
    "seventeen Sigstore identities": Refused(
        by_sigstore(trustedRoot="r", identities=[WHO] * 17), "identities: got a list of 17", "at most 16 items"
    ),
    "a subject without issuer": Refused(
        by_identity(subject=WORKFLOW),
        "identities[0]: got neither issuer nor issuerRegExp, expected exactly one of issuer and issuerRegExp",
        "expected exactly one of issuer and issuerRegExp",
    ),
    "an issuer without subject": Refused(
        by_identity(issuer=GITHUB),
        "identities[0]: got neither subject nor subjectRegExp",
        "expected exactly one of subject and subjectRegExp",
    ),
    "an issuer both ways": Refused(
        by_identity(**WHO, issuerRegExp="x"),
        "identities[0]: got both issuer and issuerRegExp",
        "expected exactly one of issuer and issuerRegExp",
    ),
    "a subject both ways": Refused(
        by_identity(**WHO, subjectRegExp="x"),
        "identities[0]: got both subject and subjectRegExp",
        "expected exactly one of subject and subjectRegExp",
    ),
    "an empty issuer": Refused(by_identity(issuer="", subject="s"), "issuer: got ''", "at least 1 chars long"),
    "an issuer with a line break": Refused(
        by_identity(issuer=GITHUB + "\n", subject="s"),
        r"issuer: got 'https://token.actions.githubuser",
        f"expected the issuer as it is in the certificate, {LINE}",
    ),
    "a subject with a space before": Refused(
        by_identity(issuer="i", subject=" s"),
        "subject: got ' s', expected the subject as it is",
        f"expected the subject as it is in the certificate, {LINE}",
    ),
    "a subject longer than any": Refused(
        by_identity(issuer="i", subject="s" * 513), "subject: got 'sss", "may not be more than 512"
    ),
    "an issuer's expression of two lines": Refused(
        by_identity(issuerRegExp="a\nb", subject="s"),
        r"issuerRegExp: got 'a\nb'",
        f"expected an RE2 expression for the whole issuer, {LINE}",
    ),
    "a subject's expression longer than any": Refused(
        by_identity(issuer="i", subjectRegExp="s" * 513), "subjectRegExp: got 'sss", "may not be more than 512"
    ),
    "a key of no kind": Refused(
        by_key(),
        "sigstore.key: got neither pem nor kms, expected exactly one of",
        "expected exactly one of pem and kms",
    ),
    "a key of both kinds": Refused(
        by_key(pem=P256, kms=KMS), "sigstore.key: got both pem and kms", "expected exactly one of pem and kms"
    ),
    "a private key": Refused(
        by_key(pem=P256.replace("PUBLIC", "PRIVATE")),
        "key.pem: got '-----BEGIN PRIVATE KEY-----",
        "expected the PEM of an ECDSA (P-256, P-384, P-521), Ed25519 or RSA",
    ),
    "two keys": Refused(
        by_key(pem=P256 + P256),
        "key.pem: got '-----BEGIN",
        "expected the PEM of an ECDSA (P-256, P-384, P-521), Ed25519 or RSA",
    ),
    "a key longer than any": Refused(
        by_key(pem=P256 + "\n" * 4096), "key.pem: got '-----BEGIN", "may not be more than 4096"
    ),
    "an alias of a KMS key": Refused(
        by_key(kms="arn:aws:kms:eu-west-1:111122223333:alias/release"),
        "key.kms: got 'arn:aws:kms:eu-west-1:111122223333:alias/release', expected the ARN of a key in AWS KMS",
        "name the key itself; an alias can be pointed at another key",
    ),
    "a KMS key by URI": Refused(
        by_key(kms=f"awskms:///{KMS}"), "key.kms: got 'awskms", "expected the ARN of a key in AWS KMS"
    ),
    "an unknown hash": Refused(
        by_key(pem=P256, hashAlgorithm="sha1"), "hashAlgorithm: got 'sha1'", 'Unsupported value: "sha1"'
    ),
    "an unknown word for the log": Refused(
        by_sigstore(**KEYED, transparencyLog="Optional"),
        "transparencyLog: got 'Optional', expected Required or NotRequired",
        'transparencyLog: Unsupported value: "Optional"',
    ),
    "an unknown word for children": Refused(
        any_of({"name": "a", "notation": NOTATION}, children="Any"),
        "spec.signatures.children: got 'Any', expected IndexOnly or All",
        'spec.signatures.children: Unsupported value: "Any"',
    ),
    "sameRepository in words": Refused(
        any_of({"name": "a", "notation": NOTATION}, sameRepository="yes"),
        "spec.signatures.sameRepository: got 'yes'",
        "sameRepository in body must be of type boolean",
    ),
    "no attestation": Refused(
        {"attestations": []}, "spec.attestations: got a list of 0, expected 1 to 16 items", "at least 1 items"
    ),
    "seventeen attestations": Refused(
        {"attestations": [attested(name=f"a{index}")["attestations"][0] for index in range(17)]},
        "spec.attestations: got a list of 17",
        "must have at most 16 items",
    ),
    "an attestation twice": Refused(
        attested() | {"attestations": attested()["attestations"] * 2},
        "spec.attestations: got 'sbom' twice",
        "spec.attestations[1]: Duplicate value",
    ),
    "an attestation without name": Refused(
        attested(name=None), "spec.attestations[0].name: got nothing", "spec.attestations[0].name: Required value"
    ),
    "an attestation named in upper case": Refused(
        attested(name="SBOM"), "attestations[0].name: got 'SBOM'", "name in body should match"
    ),
    "an attestation without type": Refused(
        attested(predicateType=None),
        "spec.attestations[0].predicateType: got nothing",
        "predicateType: Required value",
    ),
    "a predicate type with a line break": Refused(
        attested(predicateType="t\n"),
        r"attestations[0].predicateType: got 't\n'",
        "expected the URI of a predicate type",
    ),
    "a predicate type longer than any": Refused(
        attested(predicateType="t" * 513), "predicateType: got 'ttt", "may not be more than 512"
    ),
    "an attestation by nobody": Refused(
        attested(authorities=None),
        "spec.attestations[0]: got neither authorities nor anyOf, expected exactly one of authorities and anyOf",
        "expected exactly one of authorities and anyOf",
    ),
    "an attestation by names and by its own": Refused(
        attested(anyOf=[{"name": "a", "sigstore": KEYLESS}]),
        "spec.attestations[0]: got both authorities and anyOf",
        "expected exactly one of authorities and anyOf",
    ),
    "no named authority": Refused(
        attested(authorities=[]), "authorities: got a list of 0", "authorities in body should have at least 1 items"
    ),
    "a named authority twice": Refused(
        attested(authorities=["ci", "ci"]), "authorities: got 'ci' twice", 'authorities[1]: Duplicate value: "ci"'
    ),
    "an authority that is not there": Refused(
        attested(authorities=["ci", "cd"]),
        "spec.attestations[0].authorities[1]: got 'cd', which signatures does not have, expected the name of a sigstore"
        " authority of signatures.anyOf; use one of 'ci'",
        "expected attestations whose authorities are sigstore authorities of signatures.anyOf",
    ),
    "an authority by name without signatures": Refused(
        {"attestations": attested()["attestations"]},
        "authorities[0]: got 'ci', which signatures does not have, expected the name of a sigstore authority of"
        " signatures.anyOf; add it there, or use anyOf here",
        "expected attestations whose authorities are sigstore authorities",
    ),
    "an attestation by Notation": Refused(
        attested(authorities=["aws"]),
        "spec.attestations[0].authorities[0]: got 'aws', an authority of notation, expected",
        "expected attestations whose authorities are sigstore authorities",
    ),
    "an own authority of Notation": Refused(
        attested(authorities=None, anyOf=[{"name": "a", "notation": NOTATION}]),
        "spec.attestations[0].anyOf[0].notation: got a field that does not exist here",
        f'{UNKNOWN} "spec.attestations[0].anyOf[0].notation"',
    ),
    "no own authority": Refused(
        attested(authorities=None, anyOf=[]), "attestations[0].anyOf: got a list of 0", "should have at least 1 items"
    ),
    "an own authority twice": Refused(
        attested(authorities=None, anyOf=[{"name": "a", "sigstore": KEYLESS}] * 2),
        "attestations[0].anyOf: got 'a' twice",
        "attestations[0].anyOf[1]: Duplicate value",
    ),
    "five own authorities": Refused(
        attested(authorities=None, anyOf=[{"name": f"a{index}", "sigstore": KEYLESS} for index in range(5)]),
        "attestations[0].anyOf: got a list of 5, expected 1 to 4 items",
        "must have at most 4 items",
    ),
    "seventeen conditions": Refused(
        attested(conditions=["true"] * 17), "conditions: got a list of 17", "must have at most 16 items"
    ),
    "an empty condition": Refused(attested(conditions=[""]), "conditions[0]: got ''", "at least 1 chars long"),
    "a condition longer than any": Refused(
        attested(conditions=["'" + "x" * 2040 + "' == 'y'"]), "conditions[0]: got", "may not be more than 2048"
    ),
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
        "subjectRegExp: got '.*', expected an expression that does not fit just anybody",
    ),
    "an expression that fits everybody who is there": (
        by_identity(issuer=GITHUB, subjectRegExp="(https?|spiffe)://.+|.+@.+"),
        "it also fits 'https://stranger.invalid'",
    ),
    "an issuer's expression that fits every host": (
        by_identity(issuerRegExp="https://[^/]+", subject="s"),
        "issuerRegExp: got 'https://[^/]+', expected an expression that does not fit just anybody",
    ),
    "every e-mail address": (
        by_identity(issuer=GITHUB, subjectRegExp=r"[^@/]+@[^@]+"),
        "it also fits 'stranger@stranger.invalid'",
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
        "key.pem: got a text that is no public key, expected the PEM of an ECDSA",
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
