"""Trouble while signatures are looked for: what was found stands, what could not be looked at is never "none"."""

import pytest

from tests import frames
from tests.distribution import patient
from tests.integration.aws.conftest import APP, OTHER, OWN, TROUBLE, Aws
from tests.simulator import World
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import ArtifactKind, SigningHint, SigningState, SkipReason, WantedArtifacts
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import Digest, digest_of
from tidegate.images.repository import EcrRepository

ENVELOPE = b'{"payload":"e30","signature":"c2ln"}'
IMAGE = Digest(World().add_image("team/app", "v1", content="one"))
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/release"
S3_TROUBLE = {
    "throttle": Cause.SERVER_ERROR,
    "server_error": Cause.SERVER_ERROR,
    "access_denied": Cause.ACCESS_DENIED,
    "drop": Cause.UNREACHABLE,
    "down": Cause.UNREACHABLE,
    "hang": Cause.UNREACHABLE,
}


@pytest.fixture
def kind():
    """The trouble of a test that is not given one."""
    return "none"


@pytest.fixture
def source(sim, world, kind):
    """A signature listed as a referrer, and one under a tag of cosign."""
    assert world.add_image("team/app", "v1", content="one") == IMAGE
    world.add_signature("team/app", "v1", ENVELOPE)
    world.add_signature("team/app", "v1", ENVELOPE + b" ", kind=ArtifactKind.COSIGN_SIGNATURE)
    read_timeout_seconds = patient(0.5) if kind == "hang" else 10.0
    return EcrSignatures(Aws(sim, attempts=1, read_timeout_seconds=read_timeout_seconds).clients)


def find(source, *, digest=IMAGE, seconds=30.0):
    return source.find_artifacts(APP, digest, wanted=WantedArtifacts(), seconds=seconds)


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_list_that_fails_leaves_what_stands_under_tags(source, sim, kind):
    sim.inject(kind, operation="ListImageReferrers", seconds=30.0)
    found = find(source)
    assert [each.kind for each in found.artifacts] == [ArtifactKind.COSIGN_SIGNATURE]
    assert (found.complete, found.outage) == (False, TROUBLE[kind])
    ((what, detail),) = [(each.what, each.detail) for each in found.skipped]
    assert (what, detail.partition(": ")[0]) == ("referrers", "ecr:ListImageReferrers")


@pytest.mark.parametrize("kind", TROUBLE)
def test_manifests_that_cannot_be_had_are_an_outage(source, sim, kind):
    sim.inject(kind, operation="BatchGetImage", seconds=30.0)
    found = find(source)
    assert (found.artifacts, found.complete, found.outage) == ((), False, TROUBLE[kind])
    assert not frames.are_kept(lambda: find(source)), "of all that the search had"


@pytest.mark.parametrize("kind", TROUBLE)
def test_nothing_learned_at_all_is_an_error(source, sim, kind):
    sim.inject(kind, service="ecr", seconds=30.0)
    with pytest.raises(SourceUnavailableError) as raised:
        find(source)
    assert raised.value.cause is TROUBLE[kind]
    assert sim.calls("ecr", "GetDownloadUrlForLayer") == 0


@pytest.mark.parametrize("kind", TROUBLE)
def test_an_address_that_cannot_be_had_leaves_the_others(source, sim, kind):
    sim.inject(kind, operation="GetDownloadUrlForLayer", about=digest_of(ENVELOPE), seconds=30.0)
    found = find(source)
    assert [each.envelope for each in found.artifacts] == [ENVELOPE + b" "]
    assert (found.complete, found.outage) == (False, TROUBLE[kind])


@pytest.mark.parametrize("kind", S3_TROUBLE)
def test_a_blob_that_cannot_be_had_leaves_the_others(source, sim, kind):
    sim.inject(kind, service="s3", about=digest_of(ENVELOPE), seconds=30.0)
    found = find(source)
    assert [each.envelope for each in found.artifacts] == [ENVELOPE + b" "]
    assert (found.complete, found.outage) == (False, S3_TROUBLE[kind])
    ((what, reason, detail),) = [(each.what, each.reason, each.detail) for each in found.skipped]
    assert (what, reason) == (digest_of(ENVELOPE), SkipReason.UNAVAILABLE)
    assert detail.startswith("s3:GetObject: ")


@pytest.mark.parametrize(
    "miss", ["ImageNotFound", "UpstreamAccessDenied", "UpstreamTooManyRequests", "UpstreamUnavailable"]
)
def test_what_an_upstream_does_not_give_is_no_outage(source, world, miss):
    """It is not in the cache, and whoever may push to the upstream can bring that about."""
    world.add_pull_through_rule("team", miss=miss)
    listed = next(each for each in world.repository("team/app").images.values() if each.manifest.subject)
    world.set_cached("team/app", listed.digest, cached=False)
    found = find(source)
    assert [each.kind for each in found.artifacts] == [ArtifactKind.COSIGN_SIGNATURE]
    assert (found.complete, found.outage) == (True, None)


def test_a_key_that_cannot_be_used_is_an_outage_of_that_manifest_alone(source, world):
    world.add_pull_through_rule("team", miss="KmsError")
    listed = next(each for each in world.repository("team/app").images.values() if each.manifest.subject)
    world.set_cached("team/app", listed.digest, cached=False)
    found = find(source)
    assert [each.kind for each in found.artifacts] == [ArtifactKind.COSIGN_SIGNATURE]
    assert (found.complete, found.outage) == (False, Cause.ACCESS_DENIED)


@pytest.mark.parametrize("code", ["UnableToGetUpstreamImageException", "AccessDeniedException"])
def test_a_call_that_one_uncached_manifest_spoils_is_made_anew_for_each(source, sim, world, code):
    world.add_pull_through_rule("team")
    listed = next(each for each in world.repository("team/app").images.values() if each.manifest.subject)
    sim.inject("error", operation="BatchGetImage", about=listed.digest, code=code)
    found = find(source)
    assert [each.kind for each in found.artifacts] == [ArtifactKind.COSIGN_SIGNATURE]
    assert (found.complete, found.outage) == (True, None)


def test_without_a_pull_through_cache_such_a_call_is_an_outage(source, sim):
    sim.inject("access_denied", operation="BatchGetImage")
    assert find(source).outage is Cause.ACCESS_DENIED
    assert sim.calls("ecr", "BatchGetImage") == 1


def test_a_second_page_that_fails_leaves_the_first(source, sim, world):
    for each in range(60):
        world.add_referrer("team/app", IMAGE, artifact_type="application/spdx+json", layers=[("a/b", b"%d" % each)])
    sim.inject("throttle", operation="ListImageReferrers", about="page-50")
    found = find(source)
    assert len(found.artifacts) == 2
    assert (found.complete, found.outage) == (False, Cause.THROTTLED)


def test_a_throttle_that_passes_is_survived(sim, source):
    source = EcrSignatures(Aws(sim, attempts=2).clients)
    for operation in ("ListImageReferrers", "BatchGetImage", "GetDownloadUrlForLayer", "GetObject"):
        sim.inject("throttle", operation=operation, times=1)
    found = find(source)
    assert (len(found.artifacts), found.complete) == (2, True)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_left_is_no_answer(source, sim, seconds):
    found = find(source, seconds=seconds)
    assert (found.artifacts, found.complete, found.outage) == ((), False, Cause.DEADLINE)
    assert sim.calls("ecr", "BatchGetImage") == sim.calls("s3") == 0


def test_time_that_runs_out_leaves_what_was_found(source, sim):
    """The list takes longer than there is time; nothing is fetched after that."""
    sim.inject("latency", operation="BatchGetImage", seconds=0.15)
    found = find(source, seconds=0.1)
    assert (found.artifacts, found.complete, found.outage) == ((), False, Cause.DEADLINE)
    assert sim.calls("ecr", "GetDownloadUrlForLayer") == 0


def test_a_denial_names_no_address(source, sim):
    sim.inject("access_denied", service="s3")
    assert "X-Amz-Expires" not in repr(find(source))


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ("ListImageReferrers", "digest", "sha256:abc"),
        ("BatchGetImage", "repositoryName", "team/other"),
        ("BatchGetImage", "registryId", OTHER.account),
        ("BatchGetImage", "imageDigest", digest_of(b"another")),
        ("GetDownloadUrlForLayer", "layerDigest", digest_of(b"another")),
        ("GetDownloadUrlForLayer", "downloadUrl", "http://169.254.169.254/latest/meta-data"),
        ("GetDownloadUrlForLayer", "downloadUrl", "https://10.0.0.1/"),
    ],
)
def test_an_answer_about_something_else_is_none(source, sim, operation, field, value):
    sim.inject("unknown_enum", operation=operation, field=field, value=value)
    found = find(source)
    assert (found.complete, found.outage) == (False, Cause.UNEXPECTED_ANSWER)
    assert sim.calls("s3") == (1 if operation == "ListImageReferrers" else 0)


# ECR's own signing


def test_ecrs_own_signing_is_told(source, world):
    world.set_signing_status("team/app", "v1", "IN_PROGRESS", profile_arn=PROFILE)
    world.set_signing_status(
        "team/app", "v1", "FAILED", profile_arn=f"{PROFILE}2", failure_code="Denied", failure_reason="no such profile"
    )
    assert source.signing_status(APP, IMAGE) == (
        SigningHint(profile_arn=PROFILE, state=SigningState.IN_PROGRESS),
        SigningHint(
            profile_arn=f"{PROFILE}2",
            state=SigningState.FAILED,
            failure_code="Denied",
            failure_reason="no such profile",
        ),
    )


def test_an_end_of_signing_is_no_signature(source, world):
    """A hint decides nothing: what is not found is not there."""
    digest = Digest(world.add_image("team/app", "v2"))
    world.set_signing_status("team/app", "v2", "COMPLETE")
    assert [each.state for each in source.signing_status(APP, digest)] == [SigningState.COMPLETE]
    assert find(source, digest=digest).artifacts == ()


def test_a_state_that_is_new_is_unknown(source, sim, world):
    world.set_signing_status("team/app", "v1", "COMPLETE")
    sim.inject("unknown_enum", operation="DescribeImageSigningStatus", field="status")
    assert [each.state for each in source.signing_status(APP, IMAGE)] == [SigningState.UNKNOWN]


def test_nothing_signs_what_is_not_there(source, sim):
    assert source.signing_status(APP, IMAGE) == ()
    assert source.signing_status(APP, digest_of(b"missing")) == ()
    assert source.signing_status(EcrRepository(OWN, "team/none"), IMAGE) == ()
    calls = sim.calls()
    assert source.signing_status(EcrRepository(OWN, "Team/None"), IMAGE) == ()
    assert sim.calls() == calls


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_status_that_cannot_be_read_is_no_hint(source, sim, kind):
    sim.inject(kind, operation="DescribeImageSigningStatus", seconds=30.0)
    with pytest.raises(SourceUnavailableError) as raised:
        source.signing_status(APP, IMAGE)
    assert (raised.value.cause, raised.value.source) == (TROUBLE[kind], "ecr:DescribeImageSigningStatus")
