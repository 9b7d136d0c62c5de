"""Conditions on the predicates that signers write: provenance, scans, VEX documents and lists of parts."""

import copy
from typing import Any

import pytest

from tests.simulator.pki.sigstore import STATEMENT_V01, statement
from tests.unit.verify.sigstore.cases import DIGEST, check, check_layer, ends, key, keyed, ours, passes, signer
from tidegate.verify.sigstore.cel import Condition, make_condition
from tidegate.verify.sigstore.claims import Claims
from tidegate.verify.sigstore.procedure import SigstoreStep

BUILDER = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator.yml@refs/tags/v2.0.0"
SOURCE = "git+https://github.com/acme/app@refs/heads/main"

SLSA_V02 = "https://slsa.dev/provenance/v0.2"
SLSA_V1 = "https://slsa.dev/provenance/v1"
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
VEX = "https://openvex.dev/ns/v0.2.0"
SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"

PREDICATES: dict[str, dict[str, Any]] = {
    SLSA_V02: {
        "builder": {"id": BUILDER},
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        "invocation": {"configSource": {"uri": SOURCE, "digest": {"sha1": "c0ffee"}, "entryPoint": "release.yml"}},
        "metadata": {"buildInvocationID": "1-1", "completeness": {"parameters": True}, "reproducible": False},
        "materials": [{"uri": SOURCE, "digest": {"sha1": "c0ffee"}}],
    },
    SLSA_V1: {
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {
                "workflow": {
                    "ref": "refs/heads/main",
                    "repository": "https://github.com/acme/app",
                    "path": ".github/workflows/release.yml",
                }
            },
            "resolvedDependencies": [{"uri": SOURCE, "digest": {"gitCommit": "c0ffee"}}],
        },
        "runDetails": {
            "builder": {"id": BUILDER},
            "metadata": {"invocationId": "1", "startedOn": "2026-03-01T11:00:00Z"},
        },
    },
    VULNERABILITIES: {
        "invocation": {"uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@0.50",
            "version": "0.50.0",
            "db": {"uri": "", "version": "2"},
            "result": {"Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-2026-0001", "Severity": "LOW"}]}]},
        },
        "metadata": {"scanStartedOn": "2026-03-01T11:00:00Z", "scanFinishedOn": "2026-03-01T11:01:00Z"},
    },
    VEX: {
        "@context": VEX,
        "author": "security@acme.test",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-2026-0001"},
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            },
            {"vulnerability": {"name": "CVE-2026-0002"}, "status": "fixed"},
        ],
    },
    SPDX: {
        "spdxVersion": "SPDX-2.3",
        "packages": [{"name": "openssl", "versionInfo": "3.0.13", "licenseConcluded": "Apache-2.0"}],
    },
    CYCLONEDX: {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "components": [
            {"name": "log4j-core", "version": "2.24.0", "purl": "pkg:maven/org.apache.logging/log4j-core@2.24.0"}
        ],
    },
    CUSTOM: {"Data": '{"approved": true}\n', "Timestamp": "2026-03-01T11:00:00Z"},
}

CASES = [
    pytest.param(
        SLSA_V02, f"predicate.builder.id == '{BUILDER}'", "builder.id", "https://evil.test", id="v0.2 builder"
    ),
    pytest.param(
        SLSA_V02,
        "predicate.invocation.configSource.uri.startsWith('git+https://github.com/acme/app@')",
        "invocation.configSource.uri",
        "git+https://github.com/acme/app-evil@refs/heads/main",
        id="v0.2 source",
    ),
    pytest.param(
        SLSA_V02,
        "predicate.materials.size() > 0 && predicate.materials.all(one, one.uri.startsWith('git+https://github.com/acme/'))",
        "materials.0.uri",
        "git+https://github.com/evil/app",
        id="v0.2 materials",
    ),
    pytest.param(
        SLSA_V02,
        "predicate.metadata.completeness.parameters == true",
        "metadata.completeness.parameters",
        "true",
        id="v0.2 completeness, which must be no text",
    ),
    pytest.param(
        SLSA_V1,
        f"predicate.runDetails.builder.id == '{BUILDER}'",
        "runDetails.builder.id",
        BUILDER + "x",
        id="v1 builder",
    ),
    pytest.param(
        SLSA_V1,
        "predicate.runDetails.builder.id.matches('^https://github[.]com/slsa-framework/.+@refs/tags/v[0-9.]+$')",
        "runDetails.builder.id",
        "https://github.com/slsa-framework/x@refs/tags/v1-evil",
        id="v1 builder by expression",
    ),
    pytest.param(
        SLSA_V1,
        "predicate.buildDefinition.externalParameters.workflow.repository == 'https://github.com/acme/app'",
        "buildDefinition.externalParameters.workflow.repository",
        "https://github.com/acme/app2",
        id="v1 source",
    ),
    pytest.param(
        SLSA_V1,
        "predicate.buildDefinition.externalParameters.workflow.ref in ['refs/heads/main', 'refs/heads/release']",
        "buildDefinition.externalParameters.workflow.ref",
        "refs/heads/evil",
        id="v1 branch",
    ),
    pytest.param(
        SLSA_V1,
        "predicate.buildDefinition.resolvedDependencies.exists(one, one.digest.gitCommit == 'c0ffee')",
        "buildDefinition.resolvedDependencies.0.digest.gitCommit",
        "badc0de",
        id="v1 commit",
    ),
    pytest.param(
        VULNERABILITIES,
        "predicate.scanner.result.Results.all(one, one.Vulnerabilities.all(found, found.Severity != 'CRITICAL'))",
        "scanner.result.Results.0.Vulnerabilities.0.Severity",
        "CRITICAL",
        id="scan without critical findings",
    ),
    pytest.param(
        VULNERABILITIES,
        "predicate.scanner.uri.startsWith('pkg:github/aquasecurity/trivy@')",
        "scanner.uri",
        "pkg:github/evil/trivy@1",
        id="scan by a scanner",
    ),
    pytest.param(
        VULNERABILITIES,
        "timestamp(predicate.metadata.scanFinishedOn) > timestamp('2026-02-01T00:00:00Z')",
        "metadata.scanFinishedOn",
        "2025-12-31T23:59:59Z",
        id="scan after a day",
    ),
    pytest.param(
        VEX,
        "predicate.statements.all(one, one.status in ['not_affected', 'fixed'])",
        "statements.1.status",
        "affected",
        id="VEX statuses",
    ),
    pytest.param(
        VEX,
        "predicate.statements.exists(one, one.vulnerability.name == 'CVE-2026-0001' && one.status == 'not_affected')",
        "statements.0.status",
        "under_investigation",
        id="VEX of one vulnerability",
    ),
    pytest.param(VEX, "predicate.author == 'security@acme.test'", "author", "somebody@evil.test", id="VEX author"),
    pytest.param(
        SPDX,
        "predicate.packages.all(one, one.licenseConcluded != 'GPL-3.0-only')",
        "packages.0.licenseConcluded",
        "GPL-3.0-only",
        id="licences",
    ),
    pytest.param(
        CYCLONEDX,
        "!predicate.components.exists(one, one.name == 'log4j-core' && one.version.startsWith('2.14.'))",
        "components.0.version",
        "2.14.1",
        id="a component's version",
    ),
    pytest.param(
        CUSTOM, "predicate.Data.contains('\"approved\": true')", "Data", '{"approved": false}', id="a custom text"
    ),
]


def put(predicate: dict[str, Any], path: str, *values: Any) -> dict[str, Any]:
    """Return a copy with the value at the path replaced, or without it where no value is given."""
    changed = copy.deepcopy(predicate)
    at: Any = changed
    *parents, last = [int(one) if one.isdigit() else one for one in path.split(".")]
    for one in parents:
        at = at[one]
    if values:
        (at[last],) = values
    else:
        del at[last]
    return changed


def claims(kind: str, condition: str) -> Claims:
    made = make_condition(condition)
    assert isinstance(made, Condition), made
    return Claims(predicate_type=kind, conditions=(made,))


def attested(kind: str, predicate: Any, **more: Any) -> dict[str, Any]:
    return ours().sign_statement(statement(DIGEST, predicate_type=kind, predicate=predicate, **more), signer())


@pytest.mark.parametrize(("kind", "condition", "path", "bad"), CASES)
def test_a_condition_holds_for_what_it_demands_and_for_nothing_else(kind, condition, path, bad):
    wanted, good = claims(kind, condition), PREDICATES[kind]
    passes(check(attested(kind, good), claims=wanted))
    ends(check(attested(kind, put(good, path, bad)), claims=wanted), SigstoreStep.CONDITIONS, "is false")
    ends(check(attested(kind, put(good, path)), claims=wanted), SigstoreStep.CONDITIONS, "cannot be computed")
    if "!=" not in condition:  # What is only forbidden to be something may be anything else.
        others: tuple[Any, ...] = (7, None, [], {})
        for nothing in others:
            ends(check(attested(kind, put(good, path, nothing)), claims=wanted), SigstoreStep.CONDITIONS)


@pytest.mark.parametrize("kind", PREDICATES)
def test_an_attestation_of_another_type_does_not_count_whatever_it_says(kind):
    wanted = claims(kind, "predicate == predicate")
    passes(check(attested(kind, PREDICATES[kind]), claims=wanted))
    for other in ("https://other.test", kind + "/", kind.upper(), SLSA_V1 if kind == SLSA_V02 else SLSA_V02):
        ends(check(attested(other, PREDICATES[kind]), claims=wanted), SigstoreStep.CLAIMS, "predicate type")


@pytest.mark.parametrize("kind", PREDICATES)
def test_older_attestations_by_identity_and_by_key_are_asked_the_same(kind):
    payload = statement(DIGEST, predicate_type=kind, predicate=PREDICATES[kind], kind=STATEMENT_V01, name="r")
    holds, fails = claims(kind, "predicate != null"), claims(kind, "predicate == null")
    for by, authority in ((signer(), None), (key(), keyed())):
        content, annotations = ours().attest_layer(payload, by)
        passes(check_layer(content, annotations, authority, claims=holds, attestation=True))
        result = check_layer(content, annotations, authority, claims=fails, attestation=True)
        ends(result, SigstoreStep.CONDITIONS, "is false")


def test_a_scan_of_nothing_is_not_a_good_scan_unless_the_condition_says_so():
    """``all`` of an empty list is true: whoever wants a scan to have looked at something says so."""
    found = PREDICATES[VULNERABILITIES] | {"scanner": {"result": {"Results": []}}}
    every = "predicate.scanner.result.Results.all(one, one.Vulnerabilities.all(it, it.Severity != 'CRITICAL'))"
    passes(check(attested(VULNERABILITIES, found), claims=claims(VULNERABILITIES, every)))
    some = f"predicate.scanner.result.Results.size() > 0 && {every}"
    ends(
        check(attested(VULNERABILITIES, found), claims=claims(VULNERABILITIES, some)),
        SigstoreStep.CONDITIONS,
        "is false",
    )
