"""`tidegate import notation`: the objects decide as the document does, and what they cannot say is said."""

import json
from typing import Any

import pytest

from tests.simulator.pki.aws_signer import PROFILE
from tests.simulator.pki.certificates import issue
from tests.simulator.pki.envelopes import SIGNED_AT, sign
from tests.unit.cli.commands import run
from tests.unit.cli.imported import CLOCK, ECR, OTHER, Imported, convert, objects
from tests.unit.cli.notation_files import NotationFiles, signer, statement
from tests.unit.cli.reference_page import examples
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.reference import parse_reference
from tidegate.policy.match import scope_contains
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_store_object import InlineCertificates


def test_the_example_of_the_help_runs(tmp_path):
    files = NotationFiles(tmp_path)
    home = tmp_path / ".config" / "notation"
    home.mkdir(parents=True)
    files.policy.rename(home / "trustpolicy.json")
    files.store.rename(home / "truststore")
    (words,) = (words for words in examples() if words[0] == "import")
    assert [one["kind"] for one in objects(run(*(word.replace("~", str(tmp_path)) for word in words)))] == [
        "TrustStore",
        "ImagePolicy",
        "ImagePolicy",
    ]


# What becomes of what
def test_a_statement_becomes_a_policy_about_its_repositories(files):
    files.trust(
        statement(
            "Acme: Prod!",
            scopes=["ghcr.io/acme/app", "ghcr.io/acme/api", f"{ECR}/team/app", "localhost:5000/x"],
            level="permissive",
            override={"expiry": "enforce", "revocation": "skip"},
            verifyTimestamp="afterCertExpiry",
        )
    )
    found = {one["metadata"]["name"]: one for one in objects(convert(files))}
    assert list(found) == ["notation-acme-ca", "notation-acme-prod", "notation-registries"]
    scopes = [
        {"host": "ghcr.io", "repositories": ["acme/api", "acme/app"]},
        {"account": "111122223333", "region": "eu-west-1", "repositories": ["team/app"]},
        {"host": "localhost:5000", "repositories": ["x"]},
    ]
    assert found["notation-acme-prod"]["spec"] == {
        "validationActions": ["Warn", "Audit"],
        "match": {"images": scopes},
        "registries": scopes,
        "signatures": {
            "anyOf": [
                {
                    "name": "acme-prod",
                    "notation": {
                        "trustStores": ["notation-acme-ca"],
                        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Example"],
                        "level": "permissive",
                        "overrides": {"expiry": "enforce", "revocation": "skip"},
                        "verifyTimestamp": "afterCertExpiry",
                    },
                }
            ]
        },
    }
    assert found["notation-registries"]["spec"] == {"validationActions": ["Warn", "Audit"], "registries": scopes}
    assert found["notation-acme-prod"]["metadata"]["annotations"] == {
        "tidegate.dev/imported-from": 'statement "Acme: Prod!"'
    }


def test_trust_stores_of_one_name_and_two_types_stay_apart(files):
    files.add_store("tsa", "acme", CLOCK.root)
    files.trust(statement(stores=("ca:acme", "tsa:acme")))
    imported = Imported(convert(files))
    assert [(store.name, store.type.value) for store in imported.stores] == [
        ("notation-acme-ca", "ca"),
        ("notation-acme-tsa", "tsa"),
    ]
    assert imported.authority("notation-wabbit").trust_stores == ("notation-acme-ca", "notation-acme-tsa")


def test_names_that_would_collide_do_not(files):
    files.trust(
        *(
            statement(text, scopes=[f"registry.test/{number}"])
            for number, text in enumerate(("a!", "A", "--", "registries"))
        )
    )
    names = [one["metadata"]["name"] for one in objects(convert(files, "--name", "x"))]
    assert names == ["x-acme-ca", "x-a", "x-a-2", "x-unnamed", "x-registries", "x-registries-2"]


def test_many_identities_are_spread_over_authorities_of_which_one_suffices(files):
    identities = [f"x509.subject: C=US, ST=WA, O=Example {number}" for number in range(40)]
    files.trust(statement(identities=identities))
    policy = Imported(convert(files)).policy("notation-wabbit")
    assert policy.signatures
    found = [one for one in policy.signatures.any_of if isinstance(one, NotationAuthority)]
    assert [one.name for one in found] == ["wabbit", "wabbit-2", "wabbit-3"]
    assert [identity for one in found for identity in one.trusted_identities] == identities


def test_many_repositories_and_certificates_are_spread_over_entries(files):
    files.trust(statement(scopes=[f"registry.test/r{number}" for number in range(120)]))
    files.add_store("ca", "acme", signer().root, *(issue(f"root {number}", ca=True) for number in range(60)))
    imported = Imported(convert(files))
    assert [len(scope.repositories) for scope in imported.policy("notation-wabbit").match.images] == [50, 50, 20]
    (store,) = imported.stores
    assert isinstance(store.source, InlineCertificates)
    assert len(store.source.texts) > 1
    assert sum(text.count("BEGIN CERTIFICATE") for text in store.source.texts) == 61


def test_profiles_of_aws_signer_are_kept(files):
    files.add_store("signingAuthority", "aws", signer().root)
    files.trust(statement(stores=["signingAuthority:aws"], identities=[PROFILE, f"{PROFILE}/AbCdEf1234"]))
    imported = Imported(convert(files))
    assert imported.authority("notation-wabbit").trusted_identities == (PROFILE, f"{PROFILE}/AbCdEf1234")
    assert imported.stores[0].name == "notation-aws-signing-authority"


def test_nothing_is_refused_before_somebody_asks_for_it(files):
    """One policy is about every image of the cluster, those that keep it going among them."""
    ended = convert(files)
    assert [policy.actions for policy in Imported(ended).policies] == [{"Warn", "Audit"}] * 2
    assert "# These policies refuse nothing yet. To enforce them, import again with --action Deny.\n" in ended.out


@pytest.mark.parametrize("actions", [("Deny",), ("Warn",), ("Audit",), ("Deny", "Audit"), ("Audit", "Audit")])
def test_every_policy_has_the_actions_that_were_asked_for(files, actions):
    ended = convert(files, *(word for action in actions for word in ("--action", action)))
    assert [policy.actions for policy in Imported(ended).policies] == [set(actions)] * 2
    assert ("These policies refuse nothing yet" in ended.out) is ("Deny" not in actions)


def test_a_refusal_with_a_warning_is_none_of_the_actions(files):
    ended = convert(files, "--action", "Deny", "--action", "Warn")
    assert (ended.code, ended.out) == (2, "")
    assert "--action Deny and --action Warn cannot be combined" in ended.err


def test_a_global_statement_is_about_every_image_and_says_what_that_leaves_out(files):
    files.trust(statement(scopes=["*"]))
    ended = convert(files)
    (policy,) = Imported(ended).policies
    assert policy.match.images == ()
    assert "# Images in registries other than Amazon ECR are refused." in ended.out


def test_a_skipped_statement_and_an_unused_store_are_mentioned(files):
    files.add_store("ca", "spare", OTHER.root)
    files.trust(statement(), statement("none", scopes=["registry.test/free"], level="skip"))
    ended = convert(files)
    assert '# statement "none" has level skip, so no policy requires signatures of: registry.test/free' in ended.out
    assert "# not imported, because no statement names it: trust store ca:spare" in ended.out
    imported = Imported(ended)
    assert [policy.name for policy in imported.policies] == ["notation-wabbit", "notation-registries"]
    assert imported.state("registry.test/free", b"", SIGNED_AT) is None
    assert imported.state("registry.test/elsewhere", b"", SIGNED_AT) is VerificationState.FAILED


def test_a_repository_on_a_port_of_its_own_or_in_china_is_kept_apart(files):
    china = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"
    files.trust(statement(scopes=[f"{china}/team/app", "registry.test:5000/app"]))
    images = Imported(convert(files)).policy("notation-wabbit").match.images
    assert scope_contains(images[0], parse_reference(f"{china}/team/app:v1"))
    assert scope_contains(images[1], parse_reference("registry.test:5000/app:v1"))
    assert not scope_contains(images[1], parse_reference("registry.test/app:v1"))


def test_certificates_stand_as_readable_blocks_with_their_subjects(files):
    ended = convert(files)
    assert "  - |\n    -----BEGIN CERTIFICATE-----\n" in ended.out
    assert '# "CN=Root CA,O=Example,ST=WA,C=US"' in ended.out


def test_what_a_comment_repeats_never_leaves_its_line(files):
    files.trust(statement("a\nkind: Secret\n---", scopes=["registry.test/app"]))
    kinds = [one["kind"] for one in objects(convert(files))]
    assert kinds == ["TrustStore", "ImagePolicy", "ImagePolicy"]


# What cannot be said
PLUGIN = statement("plugin", scopes=["registry.test/plugin"], identities=["acme.kms:key-1"])
LOSSES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "a plugin's identity": (
        [PLUGIN],
        "trustPolicies[0].trustedIdentities[0]",
        "needs a verification plugin",
    ),
    "a global statement beside others": (
        [statement(), statement("rest", scopes=["*"])],
        "trustPolicies[1].registryScopes",
        "every repository that no other statement names",
    ),
    "a local scope": (
        [statement(scopes=["local/layout"])],
        "trustPolicies[0].registryScopes[0]",
        "no image reference can match the scope",
    ),
    "more identities than fit": (
        [statement(identities=[f"x509.subject: C=US, ST=WA, O=Example {number}" for number in range(257)])],
        "trustPolicies[0].trustedIdentities",
        "got 257 trusted identities, expected at most 256; split the statement",
    ),
    "a scope that no reference can have": (
        [statement(scopes=["registry.test/" + "a" * 300])],
        "trustPolicies[0].registryScopes[0]",
        "no image reference can match the scope",
    ),
    "more stores than fit": (
        [statement(stores=[f"ca:s{number}" for number in range(9)])],
        "trustPolicies[0]",
        "spec.signatures.anyOf[0].notation.trustStores",
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_cannot_be_said_is_an_error_with_its_place_and_nothing_is_printed(files, loss):
    statements, field, words = LOSSES[loss]
    for number in range(9):
        files.add_store("ca", f"s{number}", signer().root)
    files.trust(*statements)
    ended = convert(files)
    assert (ended.code, ended.out) == (2, "")
    line = next(line for line in ended.err.splitlines() if words in line)
    assert f"trustpolicy.json:{_line_of(files, field)}:" in line
    assert f": {field}: " in line
    assert "--partial" in ended.err


def _line_of(files: NotationFiles, field: str) -> int:
    """The line where a field's value begins, found in the text by other means than the command's."""
    document = json.loads(files.policy.read_text())
    value: Any = document
    for part in field.replace("]", "").replace("[", ".").split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    if isinstance(value, str):
        wanted = json.dumps(value)
    elif isinstance(value, list):
        wanted = f'"{field.rpartition(".")[2]}": [\n        {json.dumps(value[0])}'
    else:
        wanted = f'{{\n      "name": {json.dumps(value["name"])}'
    return files.policy.read_text().split(wanted)[0].count("\n") + 1


def test_a_partial_import_says_what_is_missing_and_is_stricter(files):
    files.trust(PLUGIN, statement("rest", scopes=["*"]))
    ended = convert(files, "--partial")
    assert (
        "# INCOMPLETE: these parts could not be converted; the objects are stricter than the trust policy:" in ended.out
    )
    assert "needs a verification plugin" in ended.out
    imported = Imported(ended)
    good = sign(signer())
    assert imported.state("registry.test/anything", good, SIGNED_AT) is VerificationState.VERIFIED
    assert imported.state("registry.test/plugin", good, SIGNED_AT) is VerificationState.FAILED


def test_a_partial_import_keeps_the_identities_that_can_be_said(files):
    files.trust(statement(identities=["acme.kms:key-1", "x509.subject: C=US, ST=WA, O=Example"]))
    imported = Imported(convert(files, "--partial"))
    assert imported.authority("notation-wabbit").trusted_identities == ("x509.subject: C=US, ST=WA, O=Example",)


def test_a_store_that_does_not_exist_is_an_error(files):
    files.trust(statement(stores=("ca:acme", "ca:gone")))
    ended = convert(files, "--partial")
    assert (ended.code, ended.out) == (2, "")
    assert "names trust stores that do not exist: ca:gone; add them" in ended.err


def test_a_document_of_scopes_that_no_image_has_is_empty(files):
    files.trust(statement(scopes=["local/layout"]))
    assert [one["kind"] for one in objects(convert(files, "--partial"))] == ["TrustStore"]


@pytest.mark.parametrize("prefix", ["", "A", "a_b", "-a", "a" * 41])
def test_a_prefix_is_part_of_a_name(files, prefix):
    ended = convert(files, "--name", prefix)
    assert ended.code == 2
    assert "expected at most 40 lower-case letters" in ended.err


def test_a_broken_document_is_named_with_line_and_column(files):
    files.trust(statement(level="stern"))
    ended = convert(files)
    assert ended.code == 2
    assert "trustpolicy.json:10:18: trustPolicies[0].signatureVerification.level: " in ended.err
