"""What an image means under policies: which are about it, which facts they want, and for no other registry any."""

from typing import Any

import pytest

from tests.unit.builders import (
    DIGEST,
    HOST,
    IMAGE,
    MOMENT,
    NOW,
    PINNED,
    broken,
    child,
    detail,
    digest,
    ecr,
    evidence,
    finding,
    full_policy,
    globs,
    host,
    known,
    missing,
    platforms,
    policy,
    report,
)
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.checks.result import Check, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.evidence.scan import Severity
from tidegate.policy.model import Match, ScanRules, TagRules, VulnerabilityRules
from tidegate.policy.snapshot import PolicySet

OTHER_ACCOUNT = "999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"
IMMUTABLE: dict[str, Any] = {"tags": TagRules(immutable=True)}
SCAN: dict[str, Any] = {"scan": ScanRules()}
COUNTS: dict[str, Any] = {"vulnerabilities": VulnerabilityRules(max_counts={Severity.CRITICAL: 0})}
OURS: dict[str, Any] = {"registries": (ecr(),)}


def plan(*policies, image=IMAGE, cluster=()):
    return make_plan(image, PolicySet.of(policies), cluster)


def judged(made, collected=None, *, audit_only=False):
    return judge_plan(
        made, evidence() if collected is None else collected, now=NOW, monotonic=MOMENT, audit_only=audit_only
    )


WANTED = [
    pytest.param([IMMUTABLE], IMAGE, (True, False), id="an immutable tag wants the settings"),
    pytest.param([IMMUTABLE], PINNED, None, id="a digest wants no settings"),
    pytest.param([SCAN], IMAGE, (False, True), id="a scan"),
    pytest.param([SCAN], PINNED, (False, True), id="a scan of a digest"),
    pytest.param([COUNTS], IMAGE, (False, True), id="counts want the scan"),
    pytest.param([IMMUTABLE, COUNTS], IMAGE, (True, True), id="the wants of two policies together"),
    pytest.param([{"tags": TagRules(digest_required=True)}], IMAGE, None, id="a required digest wants nothing"),
    pytest.param([{"tags": TagRules(forbidden=globs("latest"))}], IMAGE, None, id="a forbidden tag wants nothing"),
    pytest.param([OURS], IMAGE, None, id="a list of registries wants nothing"),
    pytest.param([], IMAGE, None, id="no policy wants nothing"),
    pytest.param([SCAN, IMMUTABLE], "ghcr.io/team/app:v1", None, id="another registry than ECR is never asked"),
    pytest.param([OURS | SCAN | IMMUTABLE], IMAGE, (True, True), id="a registry that is listed"),
    pytest.param([OURS | SCAN | IMMUTABLE], OTHER_ACCOUNT, None, id="a registry that is not listed is never asked"),
    pytest.param([OURS | SCAN, OURS | IMMUTABLE], OTHER_ACCOUNT, None, id="nor where two policies do not list it"),
    pytest.param([OURS | SCAN, IMMUTABLE], OTHER_ACCOUNT, (True, False), id="only what a policy without a list wants"),
    pytest.param([{"registries": ()} | SCAN], IMAGE, None, id="an empty list lists nothing, so that nothing is asked"),
]


@pytest.mark.parametrize(("sections", "image", "wanted"), WANTED)
def test_facts_are_wanted_only_for_policies_that_list_the_registry(sections, image, wanted):
    made = plan(*(policy(f"p{number}", **each) for number, each in enumerate(sections)), image=image)
    assert (made.wanted and (made.wanted.settings, made.wanted.scan)) == wanted
    assert len(made.matching.policies) == len(sections)


@pytest.mark.parametrize("image", [IMAGE, OTHER_ACCOUNT, "ghcr.io/team/app:v1", "not a reference"])
def test_a_broken_policy_wants_nothing_and_is_about_every_image(image):
    made = plan(broken(), image=image)
    assert made.wanted is None
    assert judged(made, nothing_asked()).denied


ABOUT = [
    pytest.param((ecr("team/*"),), IMAGE, True, id="a repository that fits"),
    pytest.param((ecr("other/*"),), IMAGE, False, id="another repository"),
    pytest.param((host("ghcr.io"),), IMAGE, False, id="another registry"),
    pytest.param((host("ghcr.io"), ecr()), IMAGE, True, id="the second of two scopes"),
    pytest.param((), IMAGE, True, id="no images named"),
    pytest.param((ecr("other/*"),), "Not A Reference", True, id="what cannot be parsed is every policy's business"),
]


@pytest.mark.parametrize(("images", "image", "about"), ABOUT)
def test_a_policy_is_about_the_images_that_it_matches(images, image, about):
    made = plan(policy(match=Match(images=images), **SCAN), image=image)
    assert bool(made.matching.policies) is about
    if not about:
        assert made.wanted is None
        assert not judged(made, nothing_asked()).denied


def test_a_reference_that_cannot_be_parsed_is_refused_by_every_policy():
    made = plan(policy("a", **SCAN), policy("b", match=Match(images=(ecr("x"),)), **SCAN), image="Bad\x1bImage")
    found = judged(made, nothing_asked())
    assert found.denied
    assert [one.results[0].check for one in found.judgements] == [Check.REFERENCE, Check.REFERENCE]
    assert {one.results[0].reason for one in found.judgements} == {Reason.INVALID_REFERENCE}
    assert "[policies a, b]" in found.denial[0]
    assert all(line.isprintable() for line in found.denial)
    assert found.digest is None
    assert judged(made, nothing_asked(), audit_only=True).denied is False


AMD, ARM = platforms("linux/amd64"), platforms("linux/arm64")
PLATFORMS = [
    pytest.param([()], AMD, AMD, id="the nodes'"),
    pytest.param([ARM], AMD, ARM, id="the policy's own"),
    pytest.param([ARM, ()], AMD, AMD + ARM, id="the policy's own and the nodes'"),
    pytest.param([ARM, AMD, ARM], (), ARM + AMD, id="each once"),
    pytest.param([()], (), (), id="nodes not known want every platform"),
    pytest.param([ARM, ()], (), (), id="every platform where one policy wants every platform"),
]


@pytest.mark.parametrize(("own", "cluster", "wanted"), PLATFORMS)
def test_the_platforms_of_all_policies_that_want_a_scan_are_wanted(own, cluster, wanted):
    made = plan(*(policy(f"p{n}", platforms=each, **SCAN) for n, each in enumerate(own)), cluster=cluster)
    assert made.wanted is not None
    assert set(made.wanted.platforms) == set(wanted)
    assert len(made.wanted.platforms) == len(wanted)


def test_the_platforms_of_a_policy_that_wants_no_scan_or_does_not_list_the_image_are_not_wanted():
    silent = policy("a", platforms=AMD, **IMMUTABLE)
    elsewhere = policy("b", platforms=AMD, registries=(ecr(account="999999999999"),), **SCAN)
    made = plan(silent, elsewhere, policy("c", platforms=ARM, **SCAN))
    assert made.wanted is not None
    assert made.wanted.platforms == ARM


def test_each_policy_judges_its_own_platforms():
    index = evidence(
        runnable=(child("amd", "linux/amd64"), child("arm", "linux/arm64")),
        scans={digest("amd"): report(), digest("arm"): report(finding())},
    )
    for cluster, denied in ((AMD, False), (ARM, True), ((), True)):
        assert judged(plan(policy(**COUNTS), cluster=cluster), index).denied is denied
    assert not judged(plan(policy(platforms=AMD, **COUNTS), cluster=ARM), index).denied


def test_equal_wants_are_one_object_so_that_one_collection_serves_them():
    assert plan(policy(**SCAN)).wanted is plan(policy(**COUNTS), image=PINNED).wanted


DIGESTS = [
    pytest.param(IMAGE, evidence(), DIGEST, id="the one that the tag was resolved to"),
    pytest.param(PINNED, nothing_asked(), DIGEST, id="the one that the reference names"),
    pytest.param(IMAGE, nothing_asked(), None, id="none where nobody asked"),
    pytest.param(IMAGE, evidence(detail=Absence.IMAGE), None, id="none where there is no image"),
    pytest.param(PINNED, evidence(detail=missing()), DIGEST, id="the reference's where ECR could not be asked"),
]


@pytest.mark.parametrize(("image", "collected", "expected"), DIGESTS)
def test_the_verdict_names_the_digest(image, collected, expected):
    assert judged(plan(policy(**SCAN), image=image), collected).digest == expected


def test_every_policy_about_the_image_has_its_judgement_in_order_of_names():
    found = judged(plan(broken("c"), full_policy("b"), full_policy("a")))
    assert [one.policy.name for one in found.judgements] == ["a", "b", "c"]
    assert found.policy_labels == ("a/1", "b/1", "c/1")
    assert [one.allowed for one in found.judgements] == [True, True, False]


def test_the_audit_switch_reaches_the_verdict():
    made = plan(full_policy())
    unknown = evidence(detail=missing(Cause.THROTTLED))
    assert judged(made, unknown).denied
    assert not judged(made, unknown, audit_only=True).denied
    assert judged(made, unknown, audit_only=True).outcome is Outcome.UNDETERMINED


def test_a_pass_on_stale_evidence_is_a_warning():
    stale = evidence(known(report(), stale=Cause.THROTTLED))
    found = judged(plan(policy(**SCAN)), stale)
    assert not found.denied
    assert found.warnings == ("judged by evidence 60 s old: AWS is throttling requests [policy rules]",)


STALE_FACTS = [
    pytest.param(evidence(), False, id="nothing"),
    pytest.param(evidence(report(), detail=known(detail(), stale=Cause.THROTTLED)), True, id="the image"),
    pytest.param(evidence(known(report(), stale=Cause.THROTTLED)), True, id="its scan"),
    pytest.param(evidence(detail=missing()), False, id="what could not be looked up at all"),
]


@pytest.mark.parametrize(("collected", "stale"), STALE_FACTS)
def test_the_verdict_tells_whether_anything_known_is_stale(collected, stale):
    assert judged(plan(full_policy()), collected).stale is stale


def test_the_image_is_not_moved_by_a_host_in_another_form():
    for form in (f"{HOST}:443/team/app:v1", "123456789012.dkr-ecr.eu-west-1.on.aws/team/app:v1"):
        assert not judged(plan(full_policy(), image=form)).denied
