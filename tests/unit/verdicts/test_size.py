"""An ImageVerdict has 4 KiB or so and at most 64 KiB, and what is cut from it never lets an image through."""

import random
import statistics
from dataclasses import replace

import msgspec
import pytest

from tests.unit.builders import (
    DAY,
    DIGEST,
    IMAGE,
    NOW,
    coverage,
    detail,
    digest,
    evidence,
    finding,
    full_policy,
    known,
    moment,
    package,
    platforms,
    policy,
    report,
)
from tests.unit.verdicts.given import given, verdict
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.checks.result import Outcome
from tidegate.evidence.image import PlatformImage
from tidegate.evidence.scan import Answer, Finding, Severity, VulnerablePackage
from tidegate.images.platform import parse_platform
from tidegate.policy.model import VulnerabilityRules
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.verdicts.decode import StoredVerdict, decode
from tidegate.verdicts.encode import encode, size_of_object
from tidegate.verdicts.shape import MAX_BYTES
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, Usage

NAMES = ["openssl", "glibc", "curl", "zlib1g", "libxml2", "perl-base", "krb5", "systemd", "python3.11", "busybox"]
MEDIAN_BYTES = 4 * 1024
HOSTILE = "<" * 4096
HOSTILE_TEXTS = ["<" * 4096, "\U0001f512" * 4096, "é" * 4096, "\x00" * 4096]


def realistic(count: int, seed: int) -> tuple[Finding, ...]:
    """So many findings as Amazon Inspector has of an image: some CRITICAL, more HIGH, most MEDIUM and LOW.

    Each package has one version and several findings, which were observed on a few days.
    """
    chance = random.Random(seed)
    severities = chance.choices(list(Severity)[:4], weights=(3, 20, 50, 27), k=count)
    versions = {f"{name}{number}": _version(chance) for name in NAMES for number in range(4)}
    fixed = {name: [_version(chance), _version(chance), ""] for name in versions}
    days = [NOW - DAY * chance.randint(1, 400) for _ in range(5)]

    def packages() -> tuple[VulnerablePackage, ...]:
        names = chance.sample(list(versions), chance.choice((1, 1, 1, 2)))
        return tuple(package(name, versions[name], chance.choice(fixed[name])) for name in names)

    return tuple(
        finding(
            f"CVE-{chance.randint(2019, 2026)}-{chance.randint(1000, 58_999)}",
            severity,
            packages=packages(),
            fix=chance.choice((Answer.YES, Answer.NO)),
            exploit=Answer.YES if chance.random() < 0.05 else Answer.NO,
            epss=round(chance.random() ** 6, 5),
            first_observed_at=chance.choice(days),
        )
        for severity in sorted(severities, key=list(Severity).index)
    )


def _version(chance: random.Random) -> str:
    numbers = (chance.randint(0, most) for most in (9, 40, 20, 9, 9))
    return "{}.{}.{}-{}+deb12u{}".format(*numbers)


def size_with(count: int, seed: int = 0) -> int:
    return size_of_object(encode(given(evidence(report(*realistic(count, seed)))), NOW))


def test_the_median_is_4_kib():
    """Of images as they are in use: from base images without findings to old ones with hundreds."""
    counts = [0, 0, 2, 5, 8, 12, 20, 25, 30, 35, 40, 60, 80, 100, 150, 250, 400]
    assert statistics.median(size_with(count, seed) for seed, count in enumerate(counts)) <= MEDIAN_BYTES


def test_the_thousand_findings_of_a_large_image_fit_whole():
    stored = decode(encode(given(evidence(report(*realistic(1000, 1)))), NOW))
    assert len(stored.facts.scans[DIGEST].findings) == 1000
    assert stored.status.evidence is not None
    assert stored.status.evidence.complete


def hostile_findings(text: str) -> tuple[Finding, ...]:
    chance = random.Random(text[:2])
    noise = ["".join(chance.choices("abcdefghij<>&0123456789", k=4096)) for _ in range(20)]
    return tuple(
        finding(f"CVE-{number}", Severity.LOW, packages=(package(text, noise[number % 20], f"{number}{text}"),))
        for number in range(1000)
    )


def hostile(text: str) -> StoredVerdict:
    """The longest that there may be: of findings, namespaces, policies, workloads, children and tags."""
    namespaces = [f"namespace-{number:04}-{'n' * 45}" for number in range(5000)]
    workloads = tuple(OwningWorkload(kind="Deployment", name=f"{number}-{'w' * 240}") for number in range(200))
    usage = Usage(
        namespaces={name: NamespaceUsage(pods=1, since=NOW, workloads=workloads) for name in namespaces},
        tags=tuple(f"{number}{'t' * 120}" for number in range(50)),
    )
    children = tuple(
        PlatformImage(digest=digest(str(number)), platform=parse_platform(f"linux/amd64/{'v' * 60}{number}"))
        for number in range(64)
    )
    scan = report(*hostile_findings(text), code=text, reason=text)
    collected = evidence(
        scans={one.digest: scan for one in children[:3]},
        runnable=children,
        detail=detail(media_type="application/vnd.oci.image.index.v1+json"),
    )
    rules = [
        full_policy(f"{number:03}-{'p' * 240}", vulnerabilities=VulnerabilityRules(max_counts={Severity.LOW: number}))
        for number in range(60)
    ]
    one = verdict(collected, namespaces[0], rules, nodes=())
    judged = [replace(one, namespace=name) for name in namespaces]
    obj = encode(given(collected, judged=judged, runs=usage, tags=dict.fromkeys(usage.tags, NOW)), NOW)
    assert size_of_object(obj) <= MAX_BYTES
    return decode(obj)


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text[0]))
def test_the_longest_that_there_may_be_is_cut_and_says_so(text):
    stored = hostile(text)
    status = stored.status
    assert status.outcome is Outcome.FAIL
    assert status.omitted_policies + len(status.policies) == 60
    assert status.runs.omitted_namespaces + len(status.runs.namespaces) == 5000
    assert status.policies[0].omitted_namespaces + len(status.policies[0].namespaces) == 5000
    assert status.runs.namespaces[0].omitted_workloads + len(status.runs.namespaces[0].workloads) == 200
    assert status.omitted_findings + len(status.findings) == 1000
    assert status.omitted_images + len(status.images) == 64
    assert status.evidence is None or not status.evidence.complete


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text[0]))
def test_findings_that_are_too_long_are_cut_and_never_pass(text):
    """Judged by what is stored, the image is refused, although no finding that is left counts."""
    rules = full_policy(vulnerabilities=VulnerabilityRules(max_counts={Severity.CRITICAL: 0}))
    collected = evidence(report(*hostile_findings(text)))
    assert judged_by(collected, rules) is Outcome.PASS
    obj = encode(given(collected, policies=(rules,)), NOW)
    assert size_of_object(obj) <= MAX_BYTES
    stored = decode(obj)
    assert stored.status.evidence is not None
    assert not stored.status.evidence.complete
    scan = stored.facts.scans[DIGEST]
    assert not scan.complete
    assert 0 < len(scan.findings) < 1000
    assert judged_by(evidence(scan), rules) is Outcome.FAIL


def judged_by(collected, rules):
    plan = make_plan(IMAGE, PolicySnapshot.of((rules,)).for_namespace("shop", {}), platforms("linux/amd64"))
    return judge_plan(plan, collected, now=NOW, monotonic=moment(NOW), audit_only=False).outcome


def test_a_scan_that_was_incomplete_stays_so():
    stored = decode(encode(given(evidence(report(finding(), complete=False))), NOW))
    assert not stored.facts.scans[DIGEST].complete


def test_a_status_of_any_length_leaves_no_room_for_facts_and_the_rest_is_kept():
    long = msgspec.structs.replace(
        report(), coverage=coverage(reason="".join(random.Random(1).choices("abc<>&012", k=400_000)))
    )
    stored = decode(encode(given(evidence(known(long))), NOW))
    assert stored.status.evidence is None
    assert stored.status.runs.pods == 2


def test_no_message_is_longer_than_its_bound():
    rules = policy("rules", tags=None, vulnerabilities=VulnerabilityRules(max_counts={Severity.LOW: 0}))
    found = tuple(finding(f"CVE-{number}{HOSTILE}", Severity.LOW) for number in range(9))
    stored = decode(encode(given(evidence(report(*found)), policies=(rules,)), NOW))
    assert len(stored.status.message) == 300
