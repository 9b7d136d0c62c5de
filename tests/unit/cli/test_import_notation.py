"""`tidegate import notation`: the objects decide as the document does, and what they cannot say is said."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue, name
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, DIGEST, JWS, MANIFEST_TYPE, SIGNED_AT, TARGET, sign
from tests.simulator.pki.revocation import crl, entry
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.cli.commands import Ended, run
from tests.unit.cli.notation_files import NotationFiles, signer, statement, stranger
from tidegate.evidence.signature_artifacts import ArtifactKind, Descriptor, SignatureArtifact
from tidegate.evidence.verification_result import VerificationState
from tidegate.images.digest import Digest
from tidegate.images.reference import parse_reference
from tidegate.policy.match import image_matches, scope_contains
from tidegate.policy.model import ImagePolicy
from tidegate.policy.parse import parse_policy
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_store_object import InlineCertificates, parse_trust_store
from tidegate.policy.trust_stores import TrustSnapshot, TrustStore
from tidegate.signing.notation import NotationVerifier
from tidegate.signing.verifier import SignedImage
from tidegate.verify.notation.revocation.material import RevocationMaterial

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.fixture
def files(tmp_path) -> NotationFiles:
    return NotationFiles(tmp_path)


def convert(files: NotationFiles, *more: object) -> Ended:
    return run("import", "notation", "--trust-policy", files.policy, "--trust-store", files.store, *more)


def objects(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return [one for one in yaml.safe_load_all(ended.out) if one is not None]


class Imported:
    """The objects as the cluster would have them."""

    def __init__(self, ended: Ended) -> None:
        found = objects(ended)
        self.policies = [parse_policy(one) for one in found if one["kind"] == "ImagePolicy"]
        self.stores = [parse_trust_store(one) for one in found if one["kind"] == "TrustStore"]
        self.trust = TrustSnapshot.of(map(_store, self.stores))

    def policy(self, name: str) -> ImagePolicy:
        return next(policy for policy in self.policies if policy.name == name)

    def authority(self, name: str) -> NotationAuthority:
        policy = self.policy(name)
        assert policy.signatures
        (found,) = policy.signatures.any_of
        assert isinstance(found, NotationAuthority)
        return found

    def state(self, repository: str, envelope: bytes, now: datetime) -> VerificationState | None:
        """What the policies about the repository make of a signature; None where none is about it."""
        reference = parse_reference(f"{repository}@{DIGEST}")
        about = [policy for policy in self.policies if image_matches(policy.match, reference)]
        worst: VerificationState | None = None
        for policy in about:
            if policy.registries is not None and not any(
                scope_contains(scope, reference) for scope in policy.registries
            ):
                return VerificationState.FAILED
            if policy.signatures is not None:
                worst = self._best(policy, envelope, now)
        return worst

    def _best(self, policy: ImagePolicy, envelope: bytes, now: datetime) -> VerificationState:
        assert policy.signatures
        states = set()
        for one in policy.signatures.any_of:
            assert isinstance(one, NotationAuthority)
            image = SignedImage(
                repository="", manifest=Descriptor(media_type=MANIFEST_TYPE, digest=Digest(DIGEST), size=1234)
            )
            verifier = NotationVerifier(one, self.trust)
            examined = verifier.verify(_artifact(envelope), image, now=now, revocation=RevocationMaterial(crls=(CRL,)))
            states.add(examined.attempt.state)
        order = (
            VerificationState.VERIFIED,
            VerificationState.LOGGED,
            VerificationState.UNKNOWN,
            VerificationState.FAILED,
        )
        return next(state for state in order if state in states)


def _store(found: Any) -> TrustStore:
    assert isinstance(found.source, InlineCertificates)
    texts = tuple(text.encode() for text in found.source.texts)
    return TrustStore(name=found.name, uid="", generation=0, type=found.type, certificates=texts)


def _artifact(envelope: bytes) -> SignatureArtifact:
    return SignatureArtifact(
        kind=ArtifactKind.NOTATION,
        envelope=envelope,
        envelope_media_type=JWS,
        envelope_digest=Digest(DIGEST),
        manifest_digest=Digest(DIGEST),
        subject=None,
    )


# It decides alike

CLOCK = timestamp_authority()
OTHER = issue("other", authority("Other"), subject=name("other", O="Other"), purposes=[CODE_SIGNING])
BRIEF = issue("brief", authority(), purposes=[CODE_SIGNING], not_after=SIGNED_AT + timedelta(days=5))
SERVICE = issue("service", authority("Service"), purposes=[CODE_SIGNING])
REVOCABLE = issue("signer", authority(), purposes=[CODE_SIGNING], crl_urls=["http://crl.test/ca.crl"])
LISTED = authority("Listed", intermediates=0)
"""Its list of revoked certificates is at hand."""
REVOKED, STANDING = (
    issue(common_name, LISTED, purposes=[CODE_SIGNING], crl_urls=["http://crl.test/listed.crl"])
    for common_name in ("revoked", "standing")
)
CRL = crl(LISTED, [entry(REVOKED)], last_update=SIGNED_AT, next_update=SIGNED_AT + timedelta(days=100))
AWS = signer_leaf()

SIGNATURES = {
    "ours": sign(signer()),
    "a stranger's": sign(stranger()),
    "another's": sign(OTHER),
    "expired": sign(signer(), expiry=SIGNED_AT + timedelta(days=10)),
    "by a brief certificate": sign(BRIEF),
    "timestamped": sign(BRIEF, token=lambda signature: issue_token(CLOCK, signature)),
    "by an authority": sign(SERVICE, scheme=AUTHORITY_SCHEME),
    "unknown revocation": sign(REVOCABLE),
    "revoked": sign(REVOKED),
    "not revoked": sign(STANDING),
    "by AWS Signer": sign_as_aws(AWS),
    "of another digest": sign(signer(), target=TARGET | {"digest": "sha256:" + "cd" * 32}),
    "junk": b"{}",
}
ALL_STORES = ("ca:acme", "ca:other", "tsa:clock", "signingAuthority:service")
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "strict": [statement()],
    "permissive": [statement(level="permissive", identities=["*"])],
    "audit": [statement(level="audit")],
    "overridden": [statement(override={"expiry": "log", "revocation": "skip", "authenticity": "enforce"})],
    "permissive but for expiry": [statement(level="permissive", override={"expiry": "enforce"})],
    "two statements": [
        statement(),
        statement("b", scopes=["registry.test/b", f"{ECR}/team/b"], stores=["ca:other"], identities=["*"]),
    ],
    "skipped": [statement(), statement("b", scopes=["registry.test/b"], level="skip")],
    "everywhere": [statement(scopes=["*"])],
    "every store": [statement(stores=ALL_STORES, identities=["*"])],
    "two identities": [
        statement(
            stores=("ca:acme", "ca:other"),
            identities=["x509.subject: C=US, ST=WA, O=Other", "x509.subject:C=US,ST=WA,O=Example,CN=signer"],
        )
    ],
    "AWS Signer": [statement(stores=("signingAuthority:aws",), identities=[PROFILE])],
    "AWS Signer without revocation": [
        statement(stores=("signingAuthority:aws",), identities=[PROFILE], override={"revocation": "skip"})
    ],
    "timestamps only after expiry": [statement(stores=ALL_STORES, identities=["*"], verifyTimestamp="afterCertExpiry")],
}


@pytest.fixture(scope="module")
def signed(tmp_path_factory) -> NotationFiles:
    files = NotationFiles(tmp_path_factory.mktemp("notation"))
    stores: dict[tuple[str, str], tuple[Identity, ...]] = {
        ("ca", "acme"): (signer().root, BRIEF.root, REVOCABLE.root, LISTED),
        ("ca", "other"): (OTHER.root,),
        ("tsa", "clock"): (CLOCK.root,),
        ("signingAuthority", "service"): (SERVICE.root,),
        ("signingAuthority", "aws"): (AWS.root,),
    }
    for (kind, store), held in stores.items():
        files.add_store(kind, store, *held)
    return files


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_objects_decide_as_the_document_does(signed, document):
    """Each signature, in each of three repositories, early and late, with the same list of what is revoked."""
    signed.trust(*DOCUMENTS[document])
    imported = Imported(convert(signed))
    same = {
        "verified": VerificationState.VERIFIED,
        "logged": VerificationState.LOGGED,
        "skipped": None,
        "failed": VerificationState.FAILED,
    }
    revoked = signed.write("listed.crl", CRL)
    seen = set()
    for label, envelope in SIGNATURES.items():
        signed.envelope.write_bytes(envelope)
        for repository in ("registry.test/app", "registry.test/b", f"{ECR}/team/b"):
            for days in (1, 20):
                now = SIGNED_AT + timedelta(days=days)
                report = signed.verify(
                    "--envelope-type", "jws", "--crl", revoked, reference=f"{repository}@{DIGEST}", at=now.isoformat()
                ).report
                by_document = report["verdict"]
                expected = _undecided(report) if by_document == "inconclusive" else same[by_document]
                assert imported.state(repository, envelope, now) is expected, (label, repository, days)
                seen.add(by_document)
    assert len(seen) >= 2, "a document that decides everything alike shows nothing"


@pytest.mark.parametrize(
    ("document", "label", "state"),
    [
        ("strict", "not revoked", VerificationState.VERIFIED),
        ("strict", "revoked", VerificationState.FAILED),
        ("strict", "unknown revocation", VerificationState.UNKNOWN),
        ("permissive", "revoked", VerificationState.LOGGED),
        ("AWS Signer", "by AWS Signer", VerificationState.UNKNOWN),
        ("AWS Signer without revocation", "by AWS Signer", VerificationState.VERIFIED),
    ],
)
def test_the_signatures_compared_are_of_every_kind(signed, document, label, state):
    signed.trust(*DOCUMENTS[document])
    now = SIGNED_AT + timedelta(days=1)
    assert Imported(convert(signed)).state("registry.test/app", SIGNATURES[label], now) is state


def _undecided(report: dict[str, Any]) -> VerificationState:
    """What the cluster makes of a signature that cannot be decided: a stranger's is none."""
    signed_by_somebody_trusted = any("signer" in one["facts"] for one in report["signatures"])
    return VerificationState.UNKNOWN if signed_by_somebody_trusted else VerificationState.FAILED


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
    assert "# Nothing is refused yet: read what would be, then import again with --action Deny.\n" in ended.out


@pytest.mark.parametrize("actions", [("Deny",), ("Warn",), ("Audit",), ("Deny", "Audit"), ("Audit", "Audit")])
def test_every_policy_has_the_actions_that_were_asked_for(files, actions):
    ended = convert(files, *(word for action in actions for word in ("--action", action)))
    assert [policy.actions for policy in Imported(ended).policies] == [set(actions)] * 2
    assert ("Nothing is refused yet" in ended.out) is ("Deny" not in actions)


def test_a_refusal_with_a_warning_is_none_of_the_actions(files):
    ended = convert(files, "--action", "Deny", "--action", "Warn")
    assert (ended.code, ended.out) == (2, "")
    assert "Deny and Warn exclude each other" in ended.err


def test_a_global_statement_is_about_every_image_and_says_what_that_leaves_out(files):
    files.trust(statement(scopes=["*"]))
    ended = convert(files)
    (policy,) = Imported(ended).policies
    assert policy.match.images == ()
    assert "# Images in registries other than Amazon ECR are refused unchecked" in ended.out


def test_a_skipped_statement_and_an_unused_store_are_mentioned(files):
    files.add_store("ca", "spare", OTHER.root)
    files.trust(statement(), statement("none", scopes=["registry.test/free"], level="skip"))
    ended = convert(files)
    assert '# statement "none" has the level skip: of registry.test/free no signature is demanded' in ended.out
    assert "# not imported, since no statement names it: trust store ca:spare" in ended.out
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
        "only a verification plugin understands",
    ),
    "a global statement beside others": (
        [statement(), statement("rest", scopes=["*"])],
        "trustPolicies[1].registryScopes",
        "every repository that no other statement names",
    ),
    "a local scope": (
        [statement(scopes=["local/layout"])],
        "trustPolicies[0].registryScopes[0]",
        "no image of a cluster",
    ),
    "more identities than fit": (
        [statement(identities=[f"x509.subject: C=US, ST=WA, O=Example {number}" for number in range(257)])],
        "trustPolicies[0].trustedIdentities",
        "257 trusted identities, more than 256",
    ),
    "a scope that no reference can have": (
        [statement(scopes=["registry.test/" + "a" * 300])],
        "trustPolicies[0].registryScopes[0]",
        "no image of a cluster",
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
    assert "# NOT EVERYTHING WAS IMPORTED; these objects are stricter than the document:" in ended.out
    assert "only a verification plugin understands" in ended.out
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
    assert "names ca:gone, and there is no such trust store" in ended.err


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
