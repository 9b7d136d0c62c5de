"""Specs whose signatures the parser and the API server refuse, with what each says of them."""

from tests.unit.policy.refusal import UNKNOWN, Refused
from tests.unit.policy.signature_examples import (
    GITHUB,
    KEYED,
    KEYLESS,
    KMS,
    NOTATION,
    P256,
    PROFILE,
    SUBJECT,
    WHO,
    WORKFLOW,
    any_of,
    by_identity,
    by_key,
    by_notation,
    by_sigstore,
)

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
}
