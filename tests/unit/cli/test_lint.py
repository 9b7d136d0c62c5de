"""``tidegate lint``: each rule with its line, the outputs, and the exit codes."""

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import objects
from tests.sarif import valid_run
from tests.unit.builders import DIGEST, HOST, IMAGE, evidence, finding, report
from tests.unit.cli.commands import Ended, run
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.cli.lint import command, comparison
from tidegate.cli.lint.rules import Rule
from tidegate.cli.trust_documents import read_trust
from tidegate.evidence.fact import Known
from tidegate.evidence.scan import Answer, Severity
from tidegate.evidence.verification_result import Attempt, VerificationResult, VerificationResults, VerificationState
from tidegate.images.reference import parse_reference
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.signing.requirements import requirements_of
from tidegate.verdicts.encode import encode
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, Usage
from tidegate.verdicts.verdict_input import NamespaceVerdict, VerdictInput

CLEAN, FINDINGS, INVALID = 0, 1, 2
DOCS = Path(__file__).parents[3] / "docs"
ACCOUNT = "123456789012"
NO_CRITICAL: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
NOTATION = {"trustStores": ["aws"], "trustedIdentities": ["*"]}
AUTHORITY: dict[str, Any] = {"name": "release", "notation": NOTATION}
KEYLESS: dict[str, Any] = {
    "name": "ci",
    "sigstore": {
        "trustedRoot": "sigstore",
        "identities": [{"issuer": "https://issuer.test", "subject": "ci@acme.test"}],
    },
}
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
Linter = Callable[..., Ended]


def policy(name: str = "production", **spec: Any) -> dict[str, Any]:
    return objects.image_policy(name, spec or NO_CRITICAL)


def excepted(**changes: Any) -> dict[str, Any]:
    return objects.policy_exception("hotfix", **({"namespaces": ["*"], "expiresAt": SOON} | changes))


@pytest.fixture
def linted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Linter:
    """Write objects into a file, and lint it."""
    monkeypatch.chdir(tmp_path)

    def write(*documents: Any, arguments: tuple[object, ...] = ()) -> Ended:
        Path("policies.yaml").write_text(yaml.safe_dump_all(documents))
        return run("lint", "policies.yaml", *arguments)

    return write


def found(ended: Ended) -> list[tuple[str, str, str]]:
    """Rule, message and fix of each finding of a JSON output."""
    return [(one["rule"], one["message"], one["fix"]) for one in json.loads(ended.out)]


def rules(linted: Linter, *documents: Any, arguments: tuple[object, ...] = ()) -> list[str]:
    return [rule for rule, _, _ in found(linted(*documents, arguments=("-o", "json", *arguments)))]


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


# Policies beside each other
def test_policies_without_a_common_registry_contradict_each_other(linted: Linter) -> None:
    one = policy("a", registries=[{"account": ACCOUNT}])
    other = policy("b", registries=[{"account": "444455556666"}])
    ended = linted(one, other, arguments=("-o", "json"))
    assert ended.code == FINDINGS
    assert found(ended)[0][:2] == (
        "ContradictingPolicies",
        "policies a and b apply to the same images and allow no common registry, so one of them refuses each image",
    )
    elsewhere = policy("b", registries=[{"account": "444455556666"}], match={"namespaces": ["shop"]})
    inside = policy("a", registries=[{"account": ACCOUNT}], match={"excludedNamespaces": ["shop"]})
    assert rules(linted, inside, elsewhere) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"match": {"images": [{"account": ACCOUNT}]}, "registries": [{"account": "444455556666"}]},
        {"match": {"images": [{"host": "ghcr.io"}]}, **NO_CRITICAL},
        {"registries": [{"host": "ghcr.io"}], "scan": {}},
        {"registries": [{"host": "ghcr.io"}], "repository": {"encryption": "KMS"}},
    ],
)
def test_a_policy_that_no_image_can_meet(linted: Linter, spec: dict[str, Any]) -> None:
    assert rules(linted, policy(**spec)) == ["NothingPasses"]


def test_a_policy_that_is_never_stricter(linted: Linter) -> None:
    weaker = policy("weak", vulnerabilities={"maxCounts": {"CRITICAL": 2}}, match={"namespaces": ["shop"]})
    ended = linted(weaker, policy(), arguments=("-o", "json"))
    assert found(ended) == [
        (
            "NeverStricter",
            "policy production is at least as strict as policy weak, and applies to all of its images",
            "remove weak, or make it stricter than production",
        )
    ]
    assert rules(linted, weaker, policy(), excepted()) == [], "production has an exception that weak has not"
    equal = [rule for rule in rules(linted, policy("a"), policy("b")) if rule == "NeverStricter"]
    assert len(equal) == 1, "of two that are equal, one"


def test_only_so_many_policies_are_compared(linted: Linter, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (command, comparison):
        monkeypatch.setattr(module, "MAX_PAIRED", 2)
    distinct = [policy(f"p{n}", tags={"forbidden": [f"t{n}"]}) for n in range(2)]
    ended = linted(*distinct, policy("p2", tags={"forbidden": ["t0"]}))
    assert (ended.out, ended.err) == ("no findings\n", "only the first 2 policies were compared with each other\n")


# Images and namespaces
def test_scopes_that_match_no_listed_image(linted: Linter) -> None:
    Path("images.txt").write_text(f"# in use\n{IMAGE}\n\nghcr.io/acme/app:v1 # too\n")
    document = policy(
        match={
            "images": [{"account": ACCOUNT, "repositories": ["team/*"]}, {"account": ACCOUNT, "repositories": ["x"]}]
        },
        registries=[{"host": "ghcr.io"}, {"account": ACCOUNT, "repositories": ["team/**"]}],
        **NO_CRITICAL,
    )
    ended = linted(document, arguments=("-o", "json", "--images", "images.txt"))
    assert found(ended) == [
        (
            "MatchesNoImage",
            "spec.match.images[1]: matches none of the 2 listed images",
            "correct the scope, or remove it",
        )
    ]
    scope = {"account": ACCOUNT, "repositories": ["team/*", "taem/*", "**/web"]}
    ended = linted(policy(match={"images": [scope]}, **NO_CRITICAL), arguments=("-o", "json", "--images", "images.txt"))
    assert [one[1].partition(":")[0] for one in found(ended)] == [
        "spec.match.images[0].repositories[1]",
        "spec.match.images[0].repositories[2]",
    ]


def test_patterns_that_match_no_listed_namespace(linted: Linter) -> None:
    Path("namespaces.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    )
    document = policy(match={"namespaces": ["shop", "shp-*"]}, **NO_CRITICAL)
    (one,) = found(linted(document, arguments=("-o", "json", "--namespaces", "namespaces.yaml")))
    assert one[:2] == ("MatchesNoNamespace", "spec.match.namespaces[1]: shp-* matches none of the 1 listed namespaces")


def verdict(scan: Any = None, *, present: Any = None, stores: Any = (), tag: str = "v1") -> Any:
    """An ImageVerdict as the background role writes it, of an image that runs in the namespace shop.

    It has a valid signature of each authority of the policy that is present.
    """
    now, since = datetime.now(UTC), timedelta(days=2)
    compiled = compile_policy(present or policy("present"))
    assert isinstance(compiled, ImagePolicy)
    trust = TrustSnapshot.of(read_trust(stores).stores)
    policies = PolicySnapshot.of([compiled], trust).for_namespace("shop", {})
    attempt = Attempt(manifest_digest=DIGEST, state=VerificationState.VERIFIED, signer="release")
    result = VerificationResult(state=VerificationState.VERIFIED, decisive=attempt, attempts=(attempt,))
    verified = dict.fromkeys(requirements_of(compiled, trust).all, result)
    text = IMAGE.replace(":v1", f":{tag}")
    plan = make_plan(text, policies, ())
    given = evidence(scan)
    given = replace(
        given,
        detail=_at(given.detail, now),
        settings=_at(given.settings, now),
        runnable=_at(given.runnable, now),
        scan_type=_at(given.scan_type, now),
        scans={one: _at(fact, now) for one, fact in given.scans.items()},
        proofs={DIGEST: Known(VerificationResults(by_requirement=verified), now)},
    )
    judged = judge_plan(plan, given, now=now, monotonic=0.0, audit_only=False)
    workload = OwningWorkload(kind="Deployment", name="app")
    reference = parse_reference(text)
    assert reference.ecr is not None
    return encode(
        VerdictInput(
            repository=reference.ecr,
            digest=DIGEST,
            evidence=given,
            judged=[NamespaceVerdict(namespace="shop", workloads=(workload,), text=text, verdict=judged)],
            usage=Usage(
                namespaces={"shop": NamespaceUsage(pods=1, since=now - since, workloads=(workload,))}, tags=(tag,)
            ),
            tags={tag: now},
        ),
        now,
    )


def _at(fact: Any, now: datetime) -> Any:
    return Known(fact.value, now)


@pytest.fixture
def against() -> Callable[..., tuple[object, ...]]:
    def write(*verdicts: Any) -> tuple[object, ...]:
        Path("verdicts.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(verdicts)}))
        return "-o", "json", "--against", "verdicts.yaml"

    return write


def test_running_images_that_a_policy_would_newly_refuse(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    arguments = against(verdict(report(*[finding(f"CVE-{n}", severity=Severity.HIGH) for n in range(3)])))
    assert found(linted(policy(), arguments=arguments)) == []
    stricter = policy(vulnerabilities={"maxCounts": {"HIGH": 1}})
    ended = linted(stricter, arguments=arguments)
    assert ended.code == CLEAN
    (one,) = found(ended)
    assert one[0] == "WouldRefuse"
    assert f"{HOST}/team/app@{DIGEST} runs in shop and would be refused: vulnerabilities VulnerabilitiesFound" in one[1]
    assert linted(stricter, arguments=(*arguments, "--strict")).code == FINDINGS
    assert (
        found(
            linted(policy(vulnerabilities={"maxCounts": {"HIGH": 1}}, validationActions=["Warn"]), arguments=arguments)
        )
        == []
    )
    other = policy(vulnerabilities={"maxCounts": {"HIGH": 1}}, match={"namespaces": ["data"]})
    assert found(linted(other, arguments=arguments)) == []


def test_a_running_image_that_is_refused_already_is_no_news(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    arguments = against(verdict(report(finding()), present=policy()))
    assert found(linted(policy(), arguments=arguments)) == []


def test_grace_and_exceptions_count_for_running_images(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    new = finding(severity=Severity.HIGH, first_observed_at=datetime.now(UTC) - timedelta(days=1), exploit=Answer.NO)
    arguments = against(verdict(report(new)))
    limits: dict[str, Any] = {"maxCounts": {"HIGH": 0}}
    assert [one[0] for one in found(linted(policy(vulnerabilities=limits), arguments=arguments))] == ["WouldRefuse"]
    graced = policy(vulnerabilities=limits | {"runningImages": {"for": "7d"}})
    assert found(linted(graced, arguments=arguments)) == []
    by_exception = excepted(images=[{"account": ACCOUNT}])
    assert found(linted(policy(vulnerabilities=limits), by_exception, arguments=arguments)) == []


def test_what_verdicts_do_not_have_is_said(linted: Linter, against: Callable[..., tuple[object, ...]]) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    ended = linted(policy(signatures={"anyOf": [AUTHORITY]}), store, arguments=against(verdict()))
    assert ended.code == CLEAN
    (one,) = found(ended)
    assert one[0] == "CouldRefuse"
    assert "does not have the evidence that the check signatures needs" in one[1]


def test_stored_signatures_count_for_the_authority_that_they_were_verified_for(
    linted: Linter, against: Callable[..., tuple[object, ...]]
) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"})
    signed = policy(signatures={"anyOf": [AUTHORITY]})
    arguments = against(verdict(present=signed, stores=[store]))
    assert found(linted(signed, store, arguments=arguments)) == []
    other = AUTHORITY | {"notation": NOTATION | {"trustedIdentities": ["x509.subject: C=US, ST=WA, O=Acme"]}}
    ended = linted(policy(signatures={"anyOf": [other]}), store, arguments=arguments)
    assert [one[0] for one in found(ended)] == ["CouldRefuse"]


def test_tags_of_running_images_count(linted: Linter, against: Callable[..., tuple[object, ...]]) -> None:
    document = policy(tags={"forbidden": ["latest"]})
    assert found(linted(document, arguments=against(verdict()))) == []
    assert [one[0] for one in found(linted(document, arguments=against(verdict(tag="latest"))))] == ["WouldRefuse"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["-1d", "*", "**"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WHOLE: list[Any] = [
    policy(
        match={"namespaceSelector": {"matchLabels": {"env": "x"}}, "images": [{"account": ACCOUNT}]},
        registries=[{"account": ACCOUNT, "repositories": ["team/*"]}],
        tags={"forbidden": ["latest"]},
        signatures={"anyOf": [AUTHORITY, KEYLESS]},
        **NO_CRITICAL,
    ),
    excepted(),
    objects.trust_store("aws", {"type": "signingAuthority", "builtIn": "AWSSigner"}),
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "x"}}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roots"}, "data": {"a": "b"}},
]


@settings(max_examples=60)
@given(st.data())
def test_whatever_objects_say_the_command_ends_with_a_code_and_no_traceback(data: Any) -> None:
    documents: Any = json.loads(json.dumps(WHOLE))
    place = documents
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        assert run("lint", file).code in {CLEAN, FINDINGS, INVALID}


# Input and outputs
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: [", "is not YAML"),
        ("[1]", "expected Kubernetes objects"),
        (yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap"}), "no object of tidegate.dev to lint"),
    ],
)
def test_input_that_cannot_be_read(linted: Linter, content: str, problem: str) -> None:
    Path("policies.yaml").write_text(content)
    ended = run("lint", "policies.yaml")
    assert ended.code == INVALID
    assert problem in ended.err


@pytest.mark.parametrize(
    ("option", "content", "problem"),
    [
        ("--images", "a b\n", "list.txt:1: "),
        ("--images", "\n# none\n", "list.txt has no images"),
        ("--against", "kind: ImageVerdict\n", "list.txt: ImageVerdict: "),
        ("--against", "kind: Pod\n", "no objects of kind ImageVerdict"),
    ],
)
def test_lists_that_cannot_be_read(linted: Linter, option: str, content: str, problem: str) -> None:
    Path("list.txt").write_text(content)
    ended = linted(policy(), arguments=(option, "list.txt"))
    assert ended.code == INVALID
    assert problem in ended.err


def test_a_folder_has_the_objects_of_all_its_files(linted: Linter, tmp_path: Path) -> None:
    linted(policy())
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "more.yml").write_text(yaml.safe_dump(policy("other", tagz=True, **NO_CRITICAL)))
    (tmp_path / "values.yaml").write_text("replicas: 2\n")
    ended = run("lint", ".")
    assert ended.code == FINDINGS
    assert "below/more.yml:6: error UnknownField" in ended.out


def test_sarif(linted: Linter) -> None:
    ended = linted(policy(tagz=True, **NO_CRITICAL), excepted(policies=["none"]), arguments=("-o", "sarif"))
    log = valid_run(json.loads(ended.out))
    assert [(one["ruleId"], one["level"]) for one in log["results"]] == [
        ("UnknownField", "error"),
        ("UnknownPolicy", "warning"),
    ]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == set(Rule)


def test_annotations_of_github_actions(linted: Linter) -> None:
    ended = linted(policy(tagz=True, **NO_CRITICAL), excepted(policies=["none"]), arguments=("-o", "github"))
    lines = ended.out.splitlines()
    assert lines[0] == (
        "::error file=policies.yaml,line=6,title=UnknownField::ImagePolicy/production: spec.tagz: there is no such field."
        " To fix: did you mean tags?"
    )
    assert lines[1].startswith("::warning file=policies.yaml,line=")
    assert lines[-1] == "1 error, 1 warning"


@pytest.mark.parametrize("output", ["text", "json", "sarif", "github"])
def test_no_line_is_a_command_of_a_ci_service(linted: Linter, output: str) -> None:
    name = "##vso[task.setvariable variable=x]y"
    spec: dict[str, Any] = {name: True, **NO_CRITICAL}
    ended = linted(policy(**spec), arguments=("-o", output))
    assert ended.code == FINDINGS
    assert "##vso[" not in ended.out


def test_a_trust_store_whose_config_map_is_in_no_file_is_known(linted: Linter) -> None:
    store = objects.trust_store("aws", {"type": "signingAuthority", "configMap": {"name": "roots"}})
    assert rules(linted, policy(signatures={"anyOf": [AUTHORITY]}), store) == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_the_policies_of_the_documentation_have_no_error(linted: Linter, page: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    whole = [one for one in blocks if "kind: ImagePolicy" in one and one.startswith("apiVersion")]
    if whole:
        Path("policies.yaml").write_text("\n---\n".join(whole))
        ended = run("lint", "policies.yaml")
        assert ended.code == CLEAN, ended.out


def test_every_rule_is_documented() -> None:
    page = (DOCS / "reference" / "lint.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", page, re.MULTILINE)
    assert [(name, severity, text) for name, severity, text in rows] == [
        (one.value, one.severity.value, one.short) for one in sorted(Rule)
    ]
