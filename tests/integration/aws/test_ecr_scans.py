"""How a registry scans, and the basic scans of Amazon ECR, asked through the real SDK."""

import pytest

from tests.integration.aws.conftest import APP, OTHER, OWN, V1, Aws
from tidegate.aws.accounts import RegistryAccount, ScannerChoice
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import ImageDetail
from tidegate.evidence.repository import RepositorySettings, ScanType, TagMutability
from tidegate.evidence.scan import MAX_FINDINGS, Scanner, ScanState, Severity
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of
from tidegate.images.repository import EcrRepository

READER = "arn:aws:iam::444455556666:role/tidegate-reader"


# Scanning
@pytest.mark.parametrize("kind", ["BASIC", "ENHANCED"])
def test_a_registry_says_how_it_scans(aws, world, kind):
    world.set_scanning(kind)
    assert aws.ecr.scan_type(OWN) is ScanType(kind)


def test_a_kind_of_scanning_that_is_new_chooses_no_scanner(aws, sim):
    sim.inject("unknown_enum", operation="GetRegistryScanningConfiguration", field="scanType")
    with pytest.raises(SourceUnavailableError) as raised:
        aws.ecr.scan_type(OWN)
    assert raised.value.cause is Cause.UNEXPECTED_ANSWER
    assert "does not know 'SIMULATED_UNKNOWN'" in raised.value.detail


@pytest.mark.parametrize(
    ("choice", "kind"), [(ScannerChoice.INSPECTOR, ScanType.ENHANCED), (ScannerChoice.BASIC, ScanType.BASIC)]
)
def test_the_operator_may_say_how_an_account_scans(sim, choice, kind):
    aws = Aws(sim, accounts=(RegistryAccount(account=OTHER.account, scanner=choice),))
    assert aws.ecr.scan_type(OTHER) is kind
    assert sim.calls() == 0


def test_scanning_of_another_account_cannot_be_asked_for_without_a_role(aws, sim):
    """ECR would answer for the caller's own registry: that is not an answer about another."""
    with pytest.raises(SourceUnavailableError) as raised:
        aws.ecr.scan_type(OTHER)
    assert raised.value.cause is Cause.ACCESS_DENIED
    assert OTHER.account in raised.value.detail


def test_a_basic_scan_is_read_with_its_findings(aws, world):
    world.set_scanning("BASIC")
    digest = world.add_image("team/app", "v1")
    world.add_finding("team/app", "v1", severity="LOW", id="CVE-1", package="zlib", installed="1.2")
    world.add_finding("team/app", "v1", severity="CRITICAL", id="CVE-2")
    world.set_basic_scan("team/app", "v1", at=-3600)
    report = aws.ecr.basic_report(APP, digest)
    assert (report.scanner, report.coverage.state) == (Scanner.ECR_BASIC, ScanState.SCANNED_ONCE)
    assert [(each.id, each.severity) for each in report.findings] == [
        ("CVE-2", Severity.CRITICAL),
        ("CVE-1", Severity.LOW),
    ]
    assert report.findings[1].packages[0].name == "zlib"
    assert report.complete


@pytest.mark.parametrize(
    ("status", "state"),
    [("IN_PROGRESS", ScanState.PENDING), ("FAILED", ScanState.FAILED)],
)
def test_a_basic_scan_that_is_not_finished_says_why(aws, world, status, state):
    world.set_scanning("BASIC")
    digest = world.add_image("team/app", "v1")
    world.set_basic_scan("team/app", "v1", status, description="because")
    report = aws.ecr.basic_report(APP, digest)
    assert (report.coverage.state, report.coverage.code, report.coverage.reason) == (state, status, "because")


def test_an_image_without_a_basic_scan_is_not_scanned(aws, world):
    world.set_scanning("BASIC")
    digest = world.add_image("team/app", "v1", scanned=False)
    report = aws.ecr.basic_report(APP, digest)
    assert (report.coverage.state, report.coverage.code) == (ScanState.NOT_SCANNED, "ScanNotFoundException")


def test_an_image_or_repository_that_is_gone_is_not_scanned(aws, world):
    assert aws.ecr.basic_report(APP, digest_of(b"x")).coverage.code == "RepositoryNotFoundException"
    world.add_repository("team/app")
    report = aws.ecr.basic_report(APP, digest_of(b"x"))
    assert (report.coverage.state, report.coverage.code) == (ScanState.NOT_SCANNED, "ImageNotFoundException")


def test_findings_of_amazon_inspector_are_paged_by_a_hundred(aws, sim, world):
    digest = world.add_image("team/app", "v1")
    for number in range(250):
        world.add_finding("team/app", "v1", id=f"CVE-{number}", severity="LOW")
    report = aws.ecr.basic_report(APP, digest)
    assert (report.scanner, report.coverage.state) == (Scanner.INSPECTOR, ScanState.SCANNED)
    assert len({each.id for each in report.findings}) == 250
    assert report.complete
    assert sim.calls("ecr", "DescribeImageScanFindings") == 3


def test_more_findings_than_are_kept_are_a_lower_bound(aws, sim, world):
    digest = world.add_image("team/app", "v1")
    template = world.add_finding("team/app", "v1", severity="LOW")
    world.set_findings("team/app", "v1", [template] * (MAX_FINDINGS + 1))
    report = aws.ecr.basic_report(APP, digest)
    assert len(report.findings) == MAX_FINDINGS
    assert not report.complete
    assert sim.calls("ecr", "DescribeImageScanFindings") == 10


def test_no_scan_seen_from_another_account_is_no_answer(sim, world):
    """ECR hides enhanced scans from other accounts behind the same error as "never scanned"."""
    world.add_account(OTHER.account)
    world.add_repository("team/app", account=OTHER.account, readers=[OWN.account])
    digest = world.add_image("team/app", "v1", account=OTHER.account)
    theirs = EcrRepository(OTHER, "team/app")
    with pytest.raises(SourceUnavailableError) as raised:
        Aws(sim).ecr.basic_report(theirs, digest)
    assert raised.value.cause is Cause.ACCESS_DENIED
    reader = Aws(sim, accounts=(RegistryAccount(account=OTHER.account, role_arn=READER),))
    assert reader.ecr.basic_report(theirs, digest).coverage.state is ScanState.SCANNED


def test_no_scan_is_no_answer_either_when_it_is_not_known_who_asks(aws, sim, world):
    world.set_scanning("BASIC")
    digest = world.add_image("team/app", "v1", scanned=False)
    sim.inject("access_denied", service="sts", operation="GetCallerIdentity")
    with pytest.raises(SourceUnavailableError):
        aws.ecr.basic_report(APP, digest)


def test_a_repository_of_the_same_name_in_the_own_account_is_never_asked_instead(sim, world):
    """A repository policy lets us read theirs; ours has the same name and must not answer for it."""
    world.add_account(OTHER.account, scan_type="BASIC")
    world.add_repository("team/app", mutability="IMMUTABLE")
    world.add_repository("team/app", mutability="MUTABLE", account=OTHER.account, readers=[OWN.account])
    world.add_image("team/app", "v1")
    digest = Digest(world.add_image("team/app", "v1", account=OTHER.account, content="theirs"))
    world.set_basic_scan("team/app", "v1", "FAILED", account=OTHER.account)
    theirs, ecr = EcrRepository(OTHER, "team/app"), Aws(sim).ecr
    described = ecr.describe_images(theirs, [V1])[V1]
    assert isinstance(described, ImageDetail)
    assert described.digest == digest
    assert isinstance(ecr.get_manifests(theirs, [digest])[digest], StoredManifest)
    settings = ecr.describe_repositories(OTHER, ["team/app"])["team/app"]
    assert settings == RepositorySettings(mutability=TagMutability.MUTABLE)
    assert ecr.basic_report(theirs, digest).coverage.state is ScanState.FAILED
