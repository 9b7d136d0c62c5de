"""Random policies and evidence for Hypothesis: mostly good, with every way to be bad, and times at their boundaries."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.unit.builders import (
    DAY,
    DIGEST,
    HOST,
    HOUR,
    IMAGE,
    INSTANT,
    MINUTE,
    NOW,
    PINNED,
    SECOND,
    broken,
    child,
    detail,
    digest,
    ecr,
    finding,
    globs,
    host,
    known,
    missing,
    platforms,
    policy,
    report,
    settings,
)
from tidegate.evidence.fact import Cause, Fact
from tidegate.evidence.image import Absence, BadContent, ImageStatus, PlatformImage
from tidegate.evidence.image_evidence import ImageEvidence
from tidegate.evidence.repository import ScanType, TagMutability
from tidegate.evidence.scan import Answer, Finding, Scanner, ScanReport, ScanState, Severity
from tidegate.policy.model import (
    Action,
    BrokenPolicy,
    IgnoredVulnerability,
    ImagePolicy,
    Match,
    ScanRules,
    TagRules,
    Tolerance,
    VulnerabilityRules,
)

ZERO = timedelta(0)
ITSELF = PlatformImage(digest=DIGEST, platform=None)
TEXTS = (
    IMAGE,
    PINNED,
    f"{IMAGE}@{DIGEST}",
    f"{HOST}/team/app",
    f"{HOST}/other/app:v1",
    "999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1",
    "ghcr.io/team/app:v1",
    "Not A Reference",
)
CHILDREN = (
    child("any"),
    child("amd", "linux/amd64"),
    child("arm", "linux/arm64"),
    child("v8", "linux/arm64/v8"),
    child("win", "windows/amd64"),
)
NODES = st.sampled_from(
    [(), platforms("linux/amd64"), platforms("linux/arm64"), platforms("linux/amd64", "linux/s390x")]
)
_TOLERANCE = st.sampled_from(Tolerance)


def mostly(good: Any, *others: Any, weight: int = 4) -> st.SearchStrategy[Any]:
    """Draw the good value most of the time; strategies among the others are drawn from."""
    rest = [one if isinstance(one, st.SearchStrategy) else st.just(one) for one in others]
    good = good if isinstance(good, st.SearchStrategy) else st.just(good)
    return st.integers(0, weight + len(rest) - 1).flatmap(lambda n: rest[n] if n < len(rest) else good)


def facts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Fact[Any]]:
    """Facts that are fresh, stale around an hour, or missing."""
    ages = st.sampled_from([SECOND, 30 * MINUTE, HOUR, HOUR + INSTANT, 3 * HOUR])
    fresh = st.builds(lambda value, old: known(value, old=old), values, ages)
    stale = st.builds(lambda value, old, why: known(value, old=old, stale=why), values, ages, st.sampled_from(Cause))
    return mostly(fresh, stale, st.builds(missing, st.sampled_from(Cause)), weight=30)


def _past(*ages: timedelta) -> st.SearchStrategy[Any]:
    return st.sampled_from([NOW - old for old in ages])


_AGES = (ZERO, 90 * SECOND, 2 * MINUTE - INSTANT, 2 * MINUTE, HOUR, DAY, DAY + INSTANT)
_PUSHED = mostly(_past(10 * DAY), _past(*_AGES, HOUR + 90 * SECOND), None)
_SCANNED = mostly(_past(HOUR, DAY), _past(*_AGES, 8 * DAY), _past(-5 * MINUTE, -5 * MINUTE - INSTANT), None)
_SEEN = st.sampled_from(
    [
        None,
        NOW - 30 * DAY,
        NOW - 7 * DAY,
        NOW - 7 * DAY + INSTANT,
        NOW - DAY,
        NOW - 2 * MINUTE - INSTANT,
        NOW - MINUTE,
        NOW + DAY,
    ]
)

_details = st.builds(
    detail,
    digest=mostly(DIGEST, digest("other"), weight=40),
    status=mostly(ImageStatus.ACTIVE, st.sampled_from(ImageStatus), weight=40),
    pushed_at=_PUSHED,
    restored_at=mostly(None, _past(MINUTE, HOUR, 20 * DAY)),
)
_settings = st.builds(
    settings,
    mostly(TagMutability.IMMUTABLE, st.sampled_from(TagMutability)),
    st.sampled_from([(), ("v*",), ("dev*",), ("dev*", "v1")]),
)
_runnable = mostly(
    (ITSELF,),
    st.lists(st.sampled_from(CHILDREN), unique=True, max_size=4).map(tuple),
    BadContent("bytes that lie"),
    weight=20,
)

findings: st.SearchStrategy[Finding] = st.builds(
    finding,
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
    mostly(Severity.LOW, st.sampled_from(Severity), weight=2),
    fix=st.sampled_from(Answer),
    exploit=mostly(Answer.NO, st.sampled_from(Answer), weight=8),
    epss=mostly(0.1, None, 0.49, 0.5),
    first_observed_at=_SEEN,
    suppressed=st.booleans(),
)
reports: st.SearchStrategy[ScanReport] = st.builds(
    lambda found, state, **rest: report(*found, state=state, **rest),
    mostly(st.lists(findings, min_size=1, max_size=4), (), weight=2),
    mostly(ScanState.SCANNED, st.sampled_from(ScanState), weight=4),
    scanner=mostly(Scanner.INSPECTOR, Scanner.ECR_BASIC),
    complete=mostly(True, False, weight=12),
    last_scanned_at=_SCANNED,
    scanned_since=mostly(None, _past(MINUTE, 2 * MINUTE, HOUR, 2 * DAY, 20 * DAY), weight=2),
)


@st.composite
def collected(draw: st.DrawFn) -> ImageEvidence:
    """Evidence for one image. Scans of what runs may be left out, and there may be one of what does not run."""
    runnable = draw(facts(_runnable))
    found = getattr(runnable, "value", ())
    digests = [one.digest for one in found] if isinstance(found, tuple) else []
    if draw(mostly(False, True, weight=8)):
        digests = [*digests[1:], DIGEST]
    return ImageEvidence(
        detail=draw(facts(mostly(_details, st.sampled_from(Absence), weight=40))),
        settings=draw(facts(mostly(_settings, st.sampled_from(Absence), weight=40))),
        runnable=runnable,
        scan_type=draw(facts(st.sampled_from(ScanType))),
        scans={one: draw(facts(reports)) for one in digests},
    )


_scopes = mostly((ecr(),), (), (ecr("team/*"),), (ecr(region="us-east-1"), host("ghcr.io", "team/*")), weight=12)
_tags = st.builds(
    TagRules,
    immutable=st.booleans(),
    digest_required=mostly(False, True, weight=12),
    forbidden=mostly(globs("latest"), (), globs("dev", "v*"), weight=6),
)
_scan = st.builds(
    ScanRules,
    when_pending=_TOLERANCE,
    when_expired=_TOLERANCE,
    when_unsupported=_TOLERANCE,
    max_age=mostly(None, DAY, 7 * DAY),
    settling_period=mostly(2 * MINUTE, ZERO),
)
_ignored = st.builds(
    IgnoredVulnerability,
    id=st.sampled_from(["CVE-1", "CVE-2"]),
    until=st.sampled_from([NOW - DAY, NOW, NOW + INSTANT, NOW + DAY]),
    reason=st.just("because"),
)
_counts = st.dictionaries(st.sampled_from([one for one in Severity if one is not Severity.UNKNOWN]), st.integers(0, 2))
_vulnerabilities = st.builds(
    VulnerabilityRules,
    max_counts=_counts,
    only_fixable=st.booleans(),
    exploit_available=_TOLERANCE,
    epss_threshold=st.sampled_from([None, 0.5]),
    when_epss_unknown=_TOLERANCE,
    grace_period=st.sampled_from([ZERO, 7 * DAY]),
    suppressed=_TOLERANCE,
    ignore=st.lists(_ignored, max_size=2, unique_by=lambda one: one.id).map(tuple),
)


def _actions() -> st.SearchStrategy[frozenset[Action]]:
    return mostly(frozenset({Action.DENY}), st.frozensets(st.sampled_from(Action)), weight=3)


_match = mostly(Match(), Match(images=(ecr("team/*"),)), weight=8)

policies: st.SearchStrategy[ImagePolicy] = st.builds(
    policy,
    st.sampled_from(["a", "b", "c"]),
    actions=_actions(),
    match=_match,
    registries=mostly(None, _scopes, weight=2),
    tags=mostly(None, _tags, weight=1),
    scan=mostly(None, _scan, weight=1),
    vulnerabilities=mostly(None, _vulnerabilities, weight=1),
    platforms=mostly((), NODES),
    on_undetermined=mostly(Tolerance.DENY, Tolerance.ALLOW, weight=2),
    max_stale=mostly(HOUR, ZERO, 7 * DAY, weight=8),
)
broken_policies: st.SearchStrategy[BrokenPolicy] = st.builds(
    broken, actions=_actions(), match=_match, on_undetermined=mostly(Tolerance.DENY, Tolerance.ALLOW, weight=2)
)
any_policies: st.SearchStrategy[ImagePolicy | BrokenPolicy] = mostly(policies, broken_policies, weight=12)
