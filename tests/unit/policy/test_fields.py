"""No documented field is ignored: for each, another value on the wire is another value in the policy."""

from dataclasses import fields
from typing import Any

import pytest

from tests.unit.policy import schema
from tests.unit.policy.examples import ACCOUNT, FULL, IGNORED, changed, with_spec
from tests.unit.policy.signature_examples import KEYED, KEYLESS, KMS, NOTATION, PROFILE, WHO
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy

Path = tuple[str | int, ...]


def of_sigstore(place: Path, attribute: str) -> dict[str, tuple[Path, Any, str]]:
    """Return the cases of the authorities below a list of ``FULL``: two identities, a key as PEM, a key in KMS."""
    keyless, by_pem, by_kms = (
        (*place, index, "sigstore") for index in ((1, 2, 3) if "signatures" in place else (0, 1, 2))
    )
    return {
        "": (keyless, KEYED, attribute),
        ".trustedRoot": ((*keyless, "trustedRoot"), "other", attribute),
        ".identities": ((*keyless, "identities"), [WHO], attribute),
        ".identities[].issuer": ((*keyless, "identities", 0, "issuer"), "other", attribute),
        ".identities[].issuerRegExp": ((*keyless, "identities", 1, "issuerRegExp"), "other.*", attribute),
        ".identities[].subject": ((*keyless, "identities", 1, "subject"), "other", attribute),
        ".identities[].subjectRegExp": ((*keyless, "identities", 0, "subjectRegExp"), "other.*", attribute),
        ".key": ((*by_pem, "key"), {"kms": KMS}, attribute),
        ".key.pem": ((*by_pem, "key"), {"kms": KMS, "hashAlgorithm": "sha512"}, attribute),
        ".key.kms": ((*by_kms, "key", "kms"), KMS + "0", attribute),
        ".key.hashAlgorithm": ((*by_pem, "key", "hashAlgorithm"), "sha384", attribute),
        ".transparencyLog": ((*by_kms, "transparencyLog"), "NotRequired", attribute),
    }


SIGNERS: Path = ("signatures", "anyOf")
NOTARY: Path = (*SIGNERS, 0, "notation")

CHANGES: dict[str, tuple[Path, Any, str]] = {
    "spec.validationActions": (("validationActions",), ["Deny"], "actions"),
    "spec.match": (("match",), {}, "match"),
    "spec.match.namespaceSelector": (("match", "namespaceSelector"), {}, "match"),
    "spec.match.namespaceSelector.matchLabels": (
        ("match", "namespaceSelector", "matchLabels"),
        {"team": "other"},
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions": (("match", "namespaceSelector", "matchExpressions"), [], "match"),
    "spec.match.namespaceSelector.matchExpressions[].key": (
        ("match", "namespaceSelector", "matchExpressions", 0, "key"),
        "stage",
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions[].operator": (
        ("match", "namespaceSelector", "matchExpressions", 0, "operator"),
        "NotIn",
        "match",
    ),
    "spec.match.namespaceSelector.matchExpressions[].values": (
        ("match", "namespaceSelector", "matchExpressions", 0, "values"),
        ["test"],
        "match",
    ),
    "spec.match.namespaces": (("match", "namespaces"), ["other"], "match"),
    "spec.match.excludedNamespaces": (("match", "excludedNamespaces"), [], "match"),
    "spec.match.images": (("match", "images"), [], "match"),
    "spec.match.images[].account": (("match", "images", 0, "account"), "000000000001", "match"),
    "spec.match.images[].partition": (
        ("match", "images"),
        [{"account": ACCOUNT, "partition": "aws-cn", "repositories": ["shop/**"]}],
        "match",
    ),
    "spec.match.images[].region": (("match", "images", 0, "region"), "eu-west-2", "match"),
    "spec.match.images[].host": (("match", "images"), [{"host": "ghcr.io"}], "match"),
    "spec.match.images[].repositories": (("match", "images", 0, "repositories"), ["shop/*"], "match"),
    "spec.registries": (("registries",), [{"host": "ghcr.io"}], "registries"),
    "spec.registries[].account": (("registries", 0, "account"), "000000000001", "registries"),
    "spec.registries[].partition": (("registries", 0, "partition"), "aws-us-gov", "registries"),
    "spec.registries[].region": (("registries", 2, "region"), "eu-west-3", "registries"),
    "spec.registries[].host": (("registries", 1, "host"), "ghcr.io", "registries"),
    "spec.registries[].repositories": (("registries", 1, "repositories"), ["**"], "registries"),
    "spec.tags": (("tags",), {"immutable": True}, "tags"),
    "spec.tags.immutable": (("tags", "immutable"), False, "tags"),
    "spec.tags.digestRequired": (("tags", "digestRequired"), False, "tags"),
    "spec.tags.forbidden": (("tags", "forbidden"), ["dev-*"], "tags"),
    "spec.scan": (("scan",), {}, "scan"),
    "spec.scan.whenPending": (("scan", "whenPending"), "Deny", "scan"),
    "spec.scan.whenExpired": (("scan", "whenExpired"), "Deny", "scan"),
    "spec.scan.whenUnsupported": (("scan", "whenUnsupported"), "Deny", "scan"),
    "spec.scan.maxAge": (("scan", "maxAge"), "31d", "scan"),
    "spec.scan.settlingPeriod": (("scan", "settlingPeriod"), "6m", "scan"),
    "spec.vulnerabilities": (("vulnerabilities",), {"maxCounts": {"LOW": 1}}, "vulnerabilities"),
    "spec.vulnerabilities.maxCounts": (("vulnerabilities", "maxCounts"), {"LOW": 1}, "vulnerabilities"),
    **{
        f"spec.vulnerabilities.maxCounts.{severity}": (
            ("vulnerabilities", "maxCounts", severity),
            99,
            "vulnerabilities",
        )
        for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED")
    },
    "spec.vulnerabilities.onlyFixable": (("vulnerabilities", "onlyFixable"), False, "vulnerabilities"),
    "spec.vulnerabilities.exploitAvailable": (("vulnerabilities", "exploitAvailable"), "Allow", "vulnerabilities"),
    "spec.vulnerabilities.epssThreshold": (("vulnerabilities", "epssThreshold"), 0.6, "vulnerabilities"),
    "spec.vulnerabilities.whenEpssUnknown": (("vulnerabilities", "whenEpssUnknown"), "Deny", "vulnerabilities"),
    "spec.vulnerabilities.gracePeriod": (("vulnerabilities", "gracePeriod"), "8d", "vulnerabilities"),
    "spec.vulnerabilities.suppressed": (("vulnerabilities", "suppressed"), "Allow", "vulnerabilities"),
    "spec.vulnerabilities.runningImages": (("vulnerabilities", "runningImages"), {"for": "1h"}, "vulnerabilities"),
    "spec.vulnerabilities.runningImages.action": (
        ("vulnerabilities", "runningImages", "action"),
        "Warn",
        "vulnerabilities",
    ),
    "spec.vulnerabilities.runningImages.for": (("vulnerabilities", "runningImages", "for"), "1h", "vulnerabilities"),
    "spec.vulnerabilities.runningImages.exceptExploitable": (
        ("vulnerabilities", "runningImages", "exceptExploitable"),
        True,
        "vulnerabilities",
    ),
    "spec.vulnerabilities.ignore": (
        ("vulnerabilities", "ignore"),
        [IGNORED, IGNORED | {"id": "CVE-2"}],
        "vulnerabilities",
    ),
    "spec.vulnerabilities.ignore[].id": (("vulnerabilities", "ignore", 0, "id"), "CVE-2", "vulnerabilities"),
    "spec.vulnerabilities.ignore[].until": (
        ("vulnerabilities", "ignore", 0, "until"),
        "2027-02-01",
        "vulnerabilities",
    ),
    "spec.vulnerabilities.ignore[].reason": (
        ("vulnerabilities", "ignore", 0, "reason"),
        "fixed upstream",
        "vulnerabilities",
    ),
    "spec.signatures": (("signatures", "anyOf", 0), {"name": "other", "notation": NOTATION}, "signatures"),
    "spec.signatures.anyOf": ((*SIGNERS, 2), {"name": "other", "sigstore": KEYLESS}, "signatures"),
    "spec.signatures.anyOf[].name": ((*SIGNERS, 0, "name"), "other", "signatures"),
    "spec.signatures.anyOf[].notation": (NOTARY, NOTATION, "signatures"),
    "spec.signatures.anyOf[].notation.trustStores": ((*NOTARY, "trustStores"), ["other"], "signatures"),
    "spec.signatures.anyOf[].notation.trustedIdentities": ((*NOTARY, "trustedIdentities"), [PROFILE], "signatures"),
    "spec.signatures.anyOf[].notation.level": ((*NOTARY, "level"), "audit", "signatures"),
    "spec.signatures.anyOf[].notation.overrides": ((*NOTARY, "overrides"), {"expiry": "log"}, "signatures"),
    **{
        f"spec.signatures.anyOf[].notation.overrides.{validation}": (
            (*NOTARY, "overrides", validation),
            action,
            "signatures",
        )
        for validation, action in {
            "authenticity": "enforce",
            "authenticTimestamp": "log",
            "expiry": "log",
            "revocation": "log",
        }.items()
    },
    "spec.signatures.anyOf[].notation.verifyTimestamp": ((*NOTARY, "verifyTimestamp"), "always", "signatures"),
    "spec.signatures.anyOf[].notation.requiredMetadata": ((*NOTARY, "requiredMetadata"), {"k": "v"}, "signatures"),
    **{f"spec.signatures.anyOf[].sigstore{field}": case for field, case in of_sigstore(SIGNERS, "signatures").items()},
    "spec.signatures.children": (("signatures", "children"), "IndexOnly", "signatures"),
    "spec.signatures.sameRepository": (("signatures", "sameRepository"), False, "signatures"),
    "spec.attestations": (("attestations",), FULL["attestations"][:1], "attestations"),
    "spec.attestations[].name": (("attestations", 0, "name"), "other", "attestations"),
    "spec.attestations[].predicateType": (("attestations", 0, "predicateType"), "other", "attestations"),
    "spec.attestations[].authorities": (("attestations", 0, "authorities"), ["keyed"], "attestations"),
    "spec.attestations[].anyOf": (("attestations", 1, "anyOf"), [{"name": "a", "sigstore": KEYLESS}], "attestations"),
    "spec.attestations[].anyOf[].name": (("attestations", 1, "anyOf", 0, "name"), "other", "attestations"),
    **{
        f"spec.attestations[].anyOf[].sigstore{field}": case
        for field, case in of_sigstore(("attestations", 1, "anyOf"), "attestations").items()
    },
    "spec.attestations[].conditions": (("attestations", 0, "conditions"), ["predicate.a == 1"], "attestations"),
    "spec.repository": (("repository",), {"encryption": "KMS"}, "repository"),
    "spec.repository.push": (("repository", "push"), {"accounts": [ACCOUNT]}, "repository"),
    "spec.repository.push.restrictedTo": (
        ("repository", "push", "restrictedTo"),
        ["arn:aws:iam::444455556666:user/ci-*"],
        "repository",
    ),
    "spec.repository.push.accounts": (("repository", "push", "accounts"), [], "repository"),
    "spec.repository.push.organizations": (("repository", "push", "organizations"), [], "repository"),
    "spec.repository.pull": (("repository", "pull"), {}, "repository"),
    "spec.repository.pull.accounts": (("repository", "pull", "accounts"), [], "repository"),
    "spec.repository.pull.organizations": (("repository", "pull", "organizations"), [], "repository"),
    "spec.repository.pull.services": (("repository", "pull", "services"), [], "repository"),
    "spec.repository.scanning": (("repository", "scanning"), "OnPush", "repository"),
    # The one value that there is: another one is none.
    "spec.repository.encryption": (("repository",), {"scanning": "Continuous"}, "repository"),
    "spec.repository.lifecycle": (("repository", "lifecycle"), "Required", "repository"),
    "spec.platforms": (("platforms",), ["linux/amd64"], "platforms"),
    "spec.onUndetermined": (("onUndetermined",), "Deny", "on_undetermined"),
    "spec.maxStale": (("maxStale",), "3h", "max_stale"),
    "spec.namespacedExceptions": (("namespacedExceptions",), {"checks": ["scan"]}, "namespaced_exceptions"),
    "spec.namespacedExceptions.checks": (("namespacedExceptions", "checks"), ["tags"], "namespaced_exceptions"),
    "spec.namespacedExceptions.vulnerabilities": (
        ("namespacedExceptions", "vulnerabilities"),
        False,
        "namespaced_exceptions",
    ),
    "spec.namespacedExceptions.maxDuration": (("namespacedExceptions", "maxDuration"), "13h", "namespaced_exceptions"),
}


def content(spec: dict[str, Any]) -> dict[str, Any]:
    policy = parse_policy(with_spec(spec))
    return {field.name: getattr(policy, field.name) for field in fields(ImagePolicy)}


def test_every_documented_field_has_a_case():
    assert set(CHANGES) == set(schema.fields())


@pytest.mark.parametrize("field", CHANGES, ids=str)
def test_the_parser_reads(field):
    """Changing the field on the wire changes its part of the policy, and no other part."""
    path, value, attribute = CHANGES[field]
    before, after = content(FULL), content(changed(path, value))
    assert {name for name in before if before[name] != after[name]} == {attribute}


@pytest.mark.parametrize("name", ["name", "uid", "generation"])
def test_the_parser_reads_of_the_metadata(name):
    other = {"name": "other", "uid": "other", "generation": 9}[name]
    obj = with_spec(FULL)
    obj["metadata"][name] = other
    assert getattr(parse_policy(obj), name) == other
