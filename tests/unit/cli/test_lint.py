"""``tidegate lint``: each rule with its line, the outputs, and the exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import objects
from tests.unit.cli.linting import (
    AUTHORITY,
    CLEAN,
    FINDINGS,
    KEYLESS,
    NO_CERTIFICATE,
    NO_CRITICAL,
    NOTATION,
    SOON,
    Linter,
    excepted,
    found,
    policy,
    rules,
)


def test_files_without_a_mistake(linted: Linter) -> None:
    ended = linted(policy(), excepted())
    assert (ended.code, ended.out) == (CLEAN, "no findings\n")


def test_a_finding_has_its_place_its_sentence_and_the_fix(linted: Linter) -> None:
    ended = linted(policy(tagz={"immutable": True}, **NO_CRITICAL))
    assert ended.code == FINDINGS
    assert ended.out.splitlines() == [
        "policies.yaml:6: error UnknownField",
        "  ImagePolicy/production: spec.tagz: there is no such field",
        "  To fix: did you mean tags?",
        "",
        "1 error",
    ]


@pytest.mark.parametrize(
    ("document", "rule", "message", "fix"),
    [
        (policy() | {"kind": "ImagePolcy"}, "UnknownKind", "there is no kind ImagePolcy", "did you mean ImagePolicy?"),
        (policy() | {"kind": "Pizza"}, "UnknownKind", "there is no kind Pizza", "use one of ImagePolicy"),
        (policy(tags={"imutable": True}), "UnknownField", "spec.tags.imutable", "did you mean immutable?"),
        (policy() | {"apiVersion": "tidegate.dev/v1"}, "InvalidValue", "apiVersion: got 'tidegate.dev/v1'", "write"),
        (policy() | {"apiVersion": "tidgate.dev/v1alpha1"}, "InvalidValue", "apiVersion: got", "write apiVersion"),
        (policy(tags={"immutable": "yes"}), "InvalidValue", "spec.tags.immutable: got 'yes'", "write true"),
        (excepted(checks=["tag"]), "InvalidValue", "spec.checks[0]: got 'tag'", "use one of"),
        (
            objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "awsSigner"}),
            "InvalidValue",
            "spec.builtIn: got 'awsSigner'",
            "did you mean AWSSigner?",
        ),
        (
            objects.trust_store("own", {"type": "ca", "certificates": [NO_CERTIFICATE]}),
            "InvalidValue",
            "TrustStore own is invalid",
            "correct the content of the trust store",
        ),
        (
            policy(
                signatures={"anyOf": [KEYLESS]},
                attestations=[{"name": "sbom", "predicateType": "https://x.test/y", "authorities": ["cii"]}],
            ),
            "UnknownAuthority",
            "spec.attestations[0].authorities[0]: got 'cii'",
            "use one of 'ci'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_api_server_would_refuse(
    linted: Linter, document: dict[str, Any], rule: str, message: str, fix: str
) -> None:
    ended = linted(document, arguments=("-o", "json"))
    assert ended.code == FINDINGS
    got = [one for one in found(ended) if one[0] == rule]
    assert len(got) == 1
    assert message in got[0][1]
    assert fix in got[0][2]


@pytest.mark.parametrize(
    ("expression", "place"),
    [("https://a.test/(?=x)y", " (character 16)"), ("[z-a]x", " (character 2)"), (".*", ""), ("(", "")],
)
def test_an_expression_of_re2_with_its_position(linted: Linter, expression: str, place: str) -> None:
    identity = {"issuer": "https://issuer.test", "subjectRegExp": expression}
    keyless = {"name": "ci", "sigstore": {"trustedRoot": "sigstore", "identities": [identity]}}
    ended = linted(policy(signatures={"anyOf": [keyless]}), arguments=("-o", "json"))
    (one,) = json.loads(ended.out)
    assert one["rule"] == "InvalidRegularExpression"
    assert f"{place}, expected a" in one["message"]
    assert Path("policies.yaml").read_text().splitlines()[one["line"] - 1].strip().startswith("subjectRegExp")


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ("predicate.a == ", " (line 1, character 16)"),
        ("predicat.b == 1", " (line 1, character 9)"),
        ("predicate.a", ""),
    ],
)
def test_a_condition_of_cel_with_its_position(linted: Linter, condition: str, place: str) -> None:
    attestation = {"name": "build", "predicateType": "https://x.test/y", "anyOf": [KEYLESS], "conditions": [condition]}
    ended = linted(policy(attestations=[attestation]), arguments=("-o", "json"))
    (one,) = [one for one in json.loads(ended.out) if one["rule"] == "InvalidCondition"]
    assert f"{place}, expected an expression" in one["message"] or not place


# What objects name
def test_a_trust_store_that_is_in_no_file(linted: Linter) -> None:
    stores = objects.trust_store("aws-signer", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    document = policy(
        signatures={"anyOf": [{"name": "release", "notation": NOTATION | {"trustStores": ["aws-sgner"]}}]}
    )
    ended = linted(document, stores, arguments=("-o", "json"))
    assert ended.code == CLEAN
    assert found(ended) == [
        (
            "UnknownTrustStore",
            "authority release: trust store aws-sgner does not exist",
            "did you mean aws-signer?",
        )
    ]
    line = json.loads(ended.out)[0]["line"]
    assert "name: release" in "".join(Path("policies.yaml").read_text().splitlines()[line - 1 : line + 6])
    document = policy(signatures={"anyOf": [AUTHORITY]})
    assert found(linted(document, arguments=("-o", "json")))[0][2] == "add the TrustStore aws to the files"


def test_a_trust_store_of_another_type_or_invalid(linted: Linter) -> None:
    document = policy(signatures={"anyOf": [{**KEYLESS, "sigstore": KEYLESS["sigstore"] | {"trustedRoot": "aws"}}]})
    store = objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    assert rules(linted, document, store) == ["UnusableTrust"]
    broken = objects.trust_store("aws", {"type": "signingAuthority"})
    assert sorted(rules(linted, document, broken)) == ["InvalidValue", "UnusableTrust"]


def test_a_trust_store_whose_content_is_fetched_is_known(linted: Linter) -> None:
    root = {"url": "https://tuf.test", "root": "{}"}
    store = objects.trust_store("sigstore", {"type": "sigstore", "tuf": root})
    ended = linted(policy(signatures={"anyOf": [KEYLESS]}), store, arguments=("-o", "json"))
    assert "UnknownTrustStore" not in {rule for rule, _, _ in found(ended)}


def test_objects_with_one_name(linted: Linter) -> None:
    ended = linted(policy(), policy(), arguments=("-o", "json"))
    duplicate = [one for one in found(ended) if one[0] == "DuplicateObject"]
    assert duplicate == [
        (
            "DuplicateObject",
            "ImagePolicy/production is also in policies.yaml:1, and the cluster keeps only the one that is applied last",
            "remove or rename one of them",
        )
    ]
    namespaced = [objects.policy_exception("one", namespace=name, expiresAt=SOON) for name in ("shop", "data")]
    assert "DuplicateObject" not in rules(linted, policy(), *namespaced)


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        ({"policies": ["produktion"]}, "UnknownPolicy", "spec.policies[0]: there is no policy produktion in the files"),
        ({"checks": ["tags"]}, "AbsentCheck", "spec.policies[0]: policy production does not check tags"),
        ({"expiresAt": "2026-01-01T00:00:00Z"}, "Expired", "the exception hotfix ended at 2026-01-01T00:00:00Z"),
    ],
)
def test_an_exception_without_effect(linted: Linter, change: dict[str, Any], rule: str, message: str) -> None:
    ended = linted(policy(), excepted(**change), arguments=("-o", "json"))
    assert ended.code == CLEAN
    assert [one[:2] for one in found(ended)] == [(rule, message)]
    assert linted(policy(), excepted(**change), arguments=("--strict",)).code == FINDINGS


def test_a_vulnerability_that_the_policy_does_not_check(linted: Linter) -> None:
    by_id = excepted(checks=None, vulnerabilities=["CVE-2024-1"])
    assert rules(linted, policy(tags={"immutable": True}), by_id) == ["AbsentCheck"]
    assert rules(linted, policy(), by_id) == []


def test_an_exception_of_a_namespace_that_is_not_permitted(linted: Linter) -> None:
    one = objects.policy_exception("one", namespace="shop", expiresAt=SOON)
    ended = linted(policy(), one, arguments=("-o", "json"))
    assert found(ended)[0][:2] == (
        "NotPermitted",
        "spec.policies[0]: policy production permits no exceptions from namespaces",
    )


def test_an_exception_from_a_policy_that_cannot_be_read_names_no_unknown_policy(linted: Linter) -> None:
    assert rules(linted, policy(tagz=True, **NO_CRITICAL), excepted()) == ["UnknownField"]


def test_an_ignored_vulnerability_that_counts_again(linted: Linter) -> None:
    ignored = [{"id": "CVE-2024-1", "until": "2026-01-01", "reason": "no"}]
    document = policy(vulnerabilities={"maxCounts": {"CRITICAL": 0}, "ignore": ignored})
    (one,) = found(linted(document, arguments=("-o", "json")))
    assert one[0] == "Expired"
    assert "CVE-2024-1 was ignored until " in one[1]
