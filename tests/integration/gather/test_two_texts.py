"""Two texts: what comes from outside is told to operators, in the log, and never to users, in an answer.

Each port is given a marked secret wherever it can say something. No answer of any policy may hold the mark, be it in
the refusal, a warning or an audit annotation, and the log must hold it. What users are shown of the outside on purpose is
not marked: the digest that a tag means, a finding's id with its packages and versions, and a child's platform. Who signed
and who may sign is shown on purpose, too, but no ARN of either.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from tests.integration.gather.gate import IMMUTABLE, NO_CRITICAL, Gate, image
from tests.integration.gather.test_signatures import AWS_SIGNER, CI, LOGGED, OWN_CA, PROFILE, PROVENANCE, signed_by
from tests.integration.gather.trust import trust_of
from tests.simulator import World
from tests.simulator.pki.certificates import CODE_SIGNING, authority, issue
from tests.simulator.pki.envelopes import sign
from tidegate.aws.ecr import Ecr
from tidegate.aws.ecr_configuration import EcrConfiguration
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.aws.inspector import Inspector
from tidegate.aws.signer import Signer
from tidegate.evidence import ports
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import ImageDetail, ImageStatus
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.revocation import SignerRevocations
from tidegate.evidence.scan import Coverage, Scanner, ScanReport, ScanState
from tidegate.evidence.signature_artifacts import Descriptor, FoundArtifacts, SigningHint, SigningState
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather import sources
from tidegate.images.digest import Digest, digest_of
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST
from tidegate.policy.model import BrokenPolicy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import BrokenTrustStore, TrustSnapshot, TrustStore
from tidegate.registry.registries import OciRegistries
from tidegate.revocation.services import HttpRevocationServices
from tidegate.settings import Revocation
from tidegate.verify.notation.revocation.material import NoAnswer

MARK = "marked7f3a"
ARN = f"arn:aws:iam::999988887777:role/{MARK}"
HOST = f"{MARK}.internal"
KEY = "arn:aws:kms:eu-west-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VEX = "https://openvex.dev/ns"
BY_KEY = {"name": "key", "sigstore": {"key": {"kms": KEY}, "transparencyLog": "NotRequired"}}
UNTRUSTED = {**AWS_SIGNER, "notation": {**AWS_SIGNER["notation"], "trustedIdentities": [f"{PROFILE}{MARK}"]}}
ATTESTED = {
    "attestations": [
        {
            "name": "build",
            "predicateType": PROVENANCE,
            "anyOf": [CI],
            "conditions": [f"predicate.builder.id == '{MARK}'"],
        }
    ]
}
OTHER_HOST = "registry.test"
CONFIGURED = {
    "repository": {
        "push": {"accounts": ["444455556666"]},
        "pull": {},
        "scanning": "Continuous",
        "encryption": "KMS",
        "lifecycle": "KeepsRunningImages",
    }
}

PORTS: dict[tuple[type, str], str] = {
    (Ecr, "describe_images"): "ImageSource.describe_images",
    (Ecr, "get_manifests"): "ManifestSource.get_manifests",
    (Ecr, "describe_repositories"): "RepositorySource.describe_repositories",
    (Ecr, "scan_type"): "ScanTypeSource.scan_type",
    (Ecr, "basic_report"): "BasicScanSource.basic_report",
    (EcrConfiguration, "registry_configuration"): "ConfigurationSource.registry_configuration",
    (EcrConfiguration, "repository_configurations"): "ConfigurationSource.repository_configurations",
    (Inspector, "coverage"): "InspectionSource.coverage",
    (Inspector, "findings"): "InspectionSource.findings",
    (EcrSignatures, "find_artifacts"): "SignatureSource.find_artifacts",
    (EcrSignatures, "signing_status"): "SigningStatusSource.signing_status",
    (Signer, "revocation_status"): "SignerRevocationSource.revocation_status",
    (OciRegistries, "describe"): "OtherRegistry.describe",
    (OciRegistries, "get_manifests"): "OtherRegistry.get_manifests",
    (OciRegistries, "find_artifacts"): "OtherRegistry.find_artifacts",
    (HttpRevocationServices, "refusal"): "RevocationServices.refusal",
    (HttpRevocationServices, "fetch"): "RevocationServices.fetch",
}
"""The method that implements each port's."""
SILENT = {"CallGate.enter", "CallGate.leave", "SignatureSource.find_artifacts"}
"""Methods that say nothing; and one that the other registries have from a port of its own."""
BACKGROUND = {
    "ChangeSource.changed_findings",
    "ChangeSource.changed_coverage",
    "MessageQueue.receive",
    "MessageQueue.delete",
}
"""Methods that only the background role calls, which answers no user: they give what to ask again about."""


@dataclass(kw_only=True)
class Site:
    """A simulated AWS with a signed image, whose ports can be made to say something else."""

    world: World
    monkeypatch: pytest.MonkeyPatch
    start: Callable[..., Gate]
    trust: TrustSnapshot

    def say(self, where: type, method: str, answer: Callable[..., Any]) -> None:
        self.monkeypatch.setattr(where, method, answer)

    async def mark_found(self, spec: dict[str, Any], reference: str = image(), **more: Any) -> tuple[bool, bool]:
        """Tell whether the mark is in an answer of a policy that denies, warns or audits; and whether in the log."""
        told, logged = False, False
        gate = self.start(spec, trust=self.trust, **more)
        for actions in (["Deny"], ["Warn"], ["Audit"]):
            gate.policies.apply({**spec, "validationActions": actions}, self.trust)
            found, lines = await review(gate, reference)
            told, logged = told or found, logged or lines
        return told, logged


async def review(gate: Gate, reference: str) -> tuple[bool, bool]:
    with capture_logs() as lines:
        begun = gate.start(reference)
        body = begun if isinstance(begun, bytes) else await begun
    return MARK in body.decode(), MARK in json.dumps(lines, default=repr)


@pytest.fixture
def site(world: World, start: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch) -> Site:
    world.authorities.authority("acme")
    world.add_image("team/app", "v1")
    return Site(world=world, monkeypatch=monkeypatch, start=start, trust=trust_of(world))


def raising(cause: Cause, source: str = "ecr:DescribeImages") -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise SourceUnavailableError(cause, source, f"User {ARN} is not authorized on {HOST} (10.1.2.3)")

    return fail


def breaking(*_: Any, **__: Any) -> Any:
    raise RuntimeError(f"a fault at {HOST}")


WANTING: dict[str, dict[str, Any]] = {
    "describe_images": NO_CRITICAL,
    "get_manifests": signed_by(AWS_SIGNER),
    "describe_repositories": IMMUTABLE,
    "registry_configuration": CONFIGURED,
    "repository_configurations": CONFIGURED,
    "scan_type": NO_CRITICAL,
    "coverage": NO_CRITICAL,
    "findings": NO_CRITICAL,
    "find_artifacts": signed_by(AWS_SIGNER),
}
"""A policy for which each method is called."""


@pytest.mark.parametrize("cause", [*Cause, "a fault of ours"])
@pytest.mark.parametrize("method", WANTING)
async def test_why_aws_does_not_answer(site, method, cause):
    where = next(one for one, name in PORTS if name == method)
    site.say(where, method, breaking if cause == "a fault of ours" else raising(cause))
    assert await site.mark_found(WANTING[method]) == (False, True)


@pytest.mark.parametrize("method", ["describe", "get_manifests", "find_artifacts"])
@pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.ACCESS_DENIED, Cause.UNEXPECTED_ANSWER])
async def test_why_another_registry_does_not_answer(site, method, cause):
    nothing = FoundArtifacts(artifacts=(), skipped=(), complete=True)
    index = Descriptor(media_type=OCI_INDEX, digest=digest_of(b"{}"), size=2)
    site.say(OciRegistries, "describe", lambda *_, **__: index)
    site.say(OciRegistries, "find_artifacts", lambda *_, **__: nothing)
    site.say(OciRegistries, method, raising(cause, f"oci:{method}"))
    spec = {"registries": [{"host": OTHER_HOST}], **signed_by(LOGGED, children="All")}
    assert await site.mark_found(spec, f"{OTHER_HOST}/team/app:v1") == (False, True)


async def test_why_basic_scanning_does_not_answer(site):
    site.say(Ecr, "scan_type", lambda *_: ScanType.BASIC)
    site.say(Ecr, "basic_report", raising(Cause.ACCESS_DENIED, "ecr:DescribeImageScanFindings"))
    assert await site.mark_found(NO_CRITICAL) == (False, True)


async def test_the_words_of_basic_scanning(site):
    coverage = Coverage(state=ScanState.FAILED, code=MARK, reason=f"the image could not be pulled with {ARN}")
    site.say(Ecr, "scan_type", lambda *_: ScanType.BASIC)
    site.say(Ecr, "basic_report", lambda *_: ScanReport(scanner=Scanner.ECR_BASIC, coverage=coverage))
    assert await site.mark_found(NO_CRITICAL) == (False, True)


@pytest.mark.parametrize("state", ScanState)
async def test_the_words_of_a_coverage(site, state):
    coverage = Coverage(state=state, code=MARK, reason=ARN)
    site.say(Inspector, "coverage", lambda _self, _registry, images: dict.fromkeys(images, coverage))
    told, logged = await site.mark_found({**NO_CRITICAL, "scan": {"whenPending": "Allow", "whenUnsupported": "Allow"}})
    assert not told
    assert logged or state in {ScanState.SCANNED, ScanState.SCANNED_ONCE}


async def test_the_media_type_of_what_is_no_image(site):
    def describe(_self: object, _repository: object, ids: Any) -> Any:
        digest = site.world.image("team/app", "v1").digest
        odd = ImageDetail(
            digest=Digest(digest), media_type=f"application/{MARK}", status=ImageStatus.ACTIVE, pushed_at=None
        )
        return dict.fromkeys(ids, odd)

    site.say(Ecr, "describe_images", describe)
    assert await site.mark_found(NO_CRITICAL) == (False, True)


async def test_the_content_of_a_manifest(site):
    entries = [{"mediaType": OCI_MANIFEST, "digest": MARK, "size": 2}]
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    index = ImageDetail(digest=digest_of(content), media_type=OCI_INDEX, status=ImageStatus.ACTIVE, pushed_at=None)
    odd = StoredManifest(content=content, media_type=OCI_INDEX)
    site.say(Ecr, "describe_images", lambda _self, _repository, ids: dict.fromkeys(ids, index))
    site.say(Ecr, "get_manifests", lambda _self, _repository, digests: dict.fromkeys(digests, odd))
    assert await site.mark_found(NO_CRITICAL) == (False, True)


async def test_the_filters_of_a_repository(site):
    odd = RepositorySettings(mutability=TagMutability.IMMUTABLE_WITH_EXCLUSION, exclusion_filters=(f"{MARK}*", "*"))
    site.say(Ecr, "describe_repositories", lambda _self, _registry, names: dict.fromkeys(names, odd))
    told, _ = await site.mark_found(IMMUTABLE)
    assert not told


@pytest.mark.parametrize(
    "changed",
    [
        {"Principal": {"AWS": ARN}},
        {"Principal": {"AWS": ARN}, "Sid": MARK, "Action": ["ecr:*", f"ecr:{MARK}"]},
        {"Principal": "*", "Condition": {MARK: {"aws:PrincipalArn": ARN}}},
        {"Principal": "*", "Effect": "Deny", "Condition": {"ArnNotLike": {"aws:PrincipalArn": ARN}}},
        {"Principal": "*", "Effect": "Deny", "Condition": {"StringNotEquals": {f"aws:PrincipalTag/{MARK}": "x"}}},
        {MARK: "an element that is not known"},
    ],
    ids=["principal", "several", "operator", "left out", "key", "element"],
)
async def test_the_statements_of_a_repository_s_policy(site, changed):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"} | changed
    repository = site.world.registry().repositories["team/app"]
    repository.policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert await site.mark_found(CONFIGURED) == (False, True)


async def test_the_rules_and_keys_of_a_repository(site):
    registry = site.world.registry()
    repository = registry.repositories["team/app"]
    repository.lifecycle = json.dumps({"rules": [{"rulePriority": 1, "selection": {MARK: 1}, "action": {}}]})
    repository.encryption, repository.kms_key = "KMS", f"{KEY}{MARK}"
    registry.policy = json.dumps(
        {"Statement": {"Effect": "Allow", "Principal": {"AWS": ARN}, "Action": "ecr:ReplicateImage", "Resource": "*"}}
    )
    assert await site.mark_found(CONFIGURED) == (False, True)
    assert await site.mark_found({"repository": {"lifecycle": "KeepsRunningImages"}}) == (False, True)


@pytest.mark.parametrize("state", SigningState)
async def test_the_words_of_ecr_s_own_signing(site, state):
    hint = SigningHint(profile_arn=ARN, state=state, failure_code=MARK, failure_reason=f"{ARN} may not sign")
    site.say(EcrSignatures, "signing_status", lambda *_: (hint,))
    told, logged = await site.mark_found(signed_by(AWS_SIGNER))
    assert not told
    assert logged or state in {SigningState.COMPLETE, SigningState.UNKNOWN}


@pytest.mark.parametrize("revoked", [True, False])
async def test_what_aws_signer_says_of_a_profile(site, revoked):
    site.world.signing.sign_with_aws_signer("team/app", "v1", profile=MARK)
    trusted = {
        **AWS_SIGNER,
        "notation": {**AWS_SIGNER["notation"], "trustedIdentities": [f"{PROFILE.removesuffix('release')}{MARK}"]},
    }
    answer = raising(Cause.ACCESS_DENIED, "signer:GetRevocationStatus")
    if revoked:
        answer = lambda _self, question: SignerRevocations(revoked=(question.profile_version_arn,))  # noqa: E731
    site.say(Signer, "revocation_status", answer)
    assert await site.mark_found(signed_by(trusted)) == (False, True)


@pytest.mark.parametrize("listed", [True, False])
async def test_a_revocation_service_of_a_certificate(site, listed):
    ca = authority("Acme", intermediates=0)
    signer = issue(f"signer {MARK}", ca, purposes=[CODE_SIGNING], ocsp_urls=[f"http://{HOST}/ocsp"])
    manifest = site.world.image("team/app", "v1").manifest
    target = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
    site.world.add_signature("team/app", "v1", sign(signer, target=target))
    acme = next(one for one in site.trust.stores.values() if isinstance(one, TrustStore) and one.name == "acme")
    own = TrustStore(name="acme", uid="own", generation=1, type=acme.type, certificates=(ca.root.pem,))
    site.trust = TrustSnapshot.of([own])
    site.say(HttpRevocationServices, "fetch", lambda *_: NoAnswer(reason=f"{HOST} leads to 10.1.2.3"))
    more = {"revocation": Revocation(private_hosts=(HOST,) if listed else ())}
    assert await site.mark_found(signed_by(OWN_CA), more=more) == (False, True)


@pytest.mark.parametrize(
    ("sign_it", "spec", "shown"),
    [
        pytest.param(
            lambda world: world.signing.sign_with_notation("team/app", "v1", authority="stranger", signer=f"CN={MARK}"),
            signed_by(OWN_CA),
            (False, False),
            id="a stranger's certificate",
        ),
        pytest.param(
            lambda world: world.signing.sign_with_notation("team/app", "v1", authority="stranger", signer=f"CN={MARK}"),
            signed_by(LOGGED),
            (False, False),
            id="a stranger's certificate where that is only logged",
        ),
        pytest.param(
            lambda world: world.signing.sign_with_aws_signer("team/app", "v1"),
            signed_by(UNTRUSTED),
            (True, True),
            id="the signing profile that a policy trusts",
        ),
        pytest.param(
            lambda world: world.signing.sign_keyless("team/app", "v1", subject=f"https://{HOST}/ci"),
            signed_by(CI),
            (True, True),
            id="an identity of a workload",
        ),
        pytest.param(
            lambda world: world.signing.sign_keyless(
                "team/app", "v1", predicate_type=PROVENANCE, predicate={"builder": {"id": HOST}}
            ),
            ATTESTED,
            (False, True),
            id="what is attested",
        ),
    ],
)
async def test_who_signed_and_what(site, sign_it, spec, shown):
    """Where the procedure's own words name nobody, the log doesn't either: `tidegate verify` shows each step."""
    sign_it(site.world)
    assert await site.mark_found(spec) == shown
    answer = await site.start(spec, trust=site.trust).review(image())
    assert "arn:" not in answer.message + answer.warnings


async def test_a_key_in_aws_kms_that_cannot_be_read(site):
    site.world.signing.sign_with_key("team/app", "v1")
    site.trust = TrustSnapshot.of([], {KEY: f"AWS KMS refused {ARN}"})
    assert await site.mark_found(signed_by(BY_KEY)) == (False, True)


async def test_a_trust_store_that_cannot_be_read(site):
    site.world.signing.sign_with_notation("team/app", "v1")
    problems = (f"ConfigMap pki-{MARK}/roots does not exist", f"it could not be fetched from https://{HOST}/")
    site.trust = TrustSnapshot.of([BrokenTrustStore(name="acme", uid="u", generation=1, problems=problems)])
    assert await site.mark_found(signed_by(OWN_CA)) == (False, True)


async def test_a_policy_that_cannot_be_read(site):
    gate = site.start(NO_CRITICAL)
    broken = BrokenPolicy(name="test", uid="u", generation=1, problems=(f"spec.signatures: got {ARN}",))
    gate.policies._snapshot = PolicySnapshot.of([broken], site.trust)
    assert await review(gate, image()) == (False, True)


def test_no_port_is_left_out():
    """A new port, or a new method of one, belongs into this module."""
    there = {
        f"{name}.{method}"
        for module in (ports, sources)
        for name, port in inspect.getmembers(module, inspect.isclass)
        if Protocol in port.__mro__ and port is not Protocol
        for method in vars(port)
        if not method.startswith("_")
    }
    assert there - SILENT - BACKGROUND <= set(PORTS.values())
    assert set(PORTS.values()) - {"OtherRegistry.find_artifacts"} <= there
