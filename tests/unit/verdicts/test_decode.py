"""Only what tidegate of this version writes counts: anything else is refused with the field that is wrong."""

import base64
import copy
import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from tests.unit.builders import DIGEST, NOW, digest, evidence, finding, report
from tests.unit.verdicts.given import given
from tidegate.images.repository import OciRegistry, OciRepository
from tidegate.verdicts.decode import InvalidVerdictError, decode
from tidegate.verdicts.encode import encode
from tidegate.verdicts.facts import MAX_PLAIN_BYTES, BadFactsError, unpack

WHOLE = encode(given(evidence(report(finding()))), NOW)
PLAIN: dict[str, Any] = msgspec.json.decode(gzip.decompress(base64.b64decode(WHOLE["status"]["evidence"]["data"])))


def packed(content: Any) -> str:
    plain = content if isinstance(content, bytes) else msgspec.json.encode(content, order="sorted")
    return base64.b64encode(gzip.compress(plain, mtime=0)).decode()


def edited(path: str, value: Any) -> dict[str, Any]:
    """The whole object with another value at a path; ... removes the field."""
    obj: Any = copy.deepcopy(WHOLE)
    *above, last = path.split(".")
    below = obj
    for name in above:
        below = below[int(name) if name.isdigit() else name]
    if value is ...:
        del below[last]
    else:
        below[last] = value
    return dict(obj)


def facts(path: str, value: Any) -> dict[str, Any]:
    """The whole object with another value in its facts."""
    content: Any = copy.deepcopy(PLAIN)
    *above, last = path.split(".")
    below = content
    for name in above:
        below = below[int(name) if name.isdigit() else name]
    if value is ...:
        del below[last]
    else:
        below[last] = value
    return edited("status.evidence.data", packed(content))


SCAN = f"scans.{DIGEST}"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another version": (edited("apiVersion", "tidegate.dev/v2"), "apiVersion"),
    "another kind": (edited("kind", "ImagePolicy"), "apiVersion"),
    "a field of a newer version": (edited("status.mood", "good"), "status"),
    "a field that is missing": (edited("status.refused", ...), "status"),
    "no status": (edited("status", ...), "status"),
    "a number as text": (edited("status.runs.pods", "2"), "status.runs.pods"),
    "a negative number": (edited("status.runs.pods", -1), "status.runs.pods"),
    "an outcome that is none": (edited("status.outcome", "Fine"), "status.outcome"),
    "a time without a zone": (edited("status.writtenAt", "2026-06-01T12:00:00"), "status.writtenAt"),
    "a time that is none": (edited("status.evidence.observedAt", "yesterday"), "status.evidence.observedAt"),
    "a list that is too long": (edited("status.reasons", ["a"] * 11), "status.reasons"),
    "a digest that is none": (edited("spec.digest", "sha256:1"), "spec.digest"),
    "another digest than in its name": (edited("spec.digest", digest("other")), "metadata.name"),
    "another repository than in its name": (
        edited("spec.repository", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/other"),
        "metadata.name",
    ),
    "a repository that is none": (edited("spec.repository", "A repository"), "spec.repository"),
    "a repository with a tag": (edited("spec.repository", f"{WHOLE['spec']['repository']}:v1"), "spec.repository"),
    "a repository by another host": (
        edited("spec.repository", "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com/team/app"),
        "spec.repository",
    ),
    "facts that are no base64": (edited("status.evidence.data", "!"), "status.evidence.data"),
    "facts that are not compressed": (edited("status.evidence.data", "bm90aGluZw=="), "status.evidence.data"),
    "facts with more behind them": (
        edited("status.evidence.data", base64.b64encode(gzip.compress(b"{}") + b"more").decode()),
        "status.evidence.data",
    ),
    "facts that are cut": (
        edited("status.evidence.data", base64.b64encode(gzip.compress(b"{}" * 99)[:-9]).decode()),
        "status.evidence.data",
    ),
    "facts that unfold to more than is read": (
        edited("status.evidence.data", packed(b" " * (MAX_PLAIN_BYTES + 1))),
        "status.evidence.data",
    ),
    "facts of another format": (facts("format", 2), "status.evidence.data"),
    "facts that are no JSON": (edited("status.evidence.data", packed(b"{")), "status.evidence.data"),
    "facts that are no UTF-8": (edited("status.evidence.data", packed(b'{"format":"\xff"}')), "status.evidence.data"),
    "facts that nest deeply": (edited("status.evidence.data", packed(b"[" * 100_000)), "status.evidence.data"),
    "facts with a field of a newer version": (facts("mood", "good"), "status.evidence.data"),
    "facts with a field of a newer version within": (facts("detail.mood", "good"), "status.evidence.data"),
    "facts of an older version that lacks a field": (facts("detail.restored_at", ...), "status.evidence.data"),
    "facts about another digest": (facts("detail.digest", digest("other")), "status.evidence.data"),
    "facts with a digest that is none": (facts("detail.digest", "sha256:1"), "status.evidence.data"),
    "an image with a digest that is none": (facts("runnable.0.digest", "x"), "status.evidence.data"),
    "a scan of a digest that is none": (facts("scans.x", PLAIN["scans"][DIGEST]), "status.evidence.data"),
    "an unknown state of a scan": (facts(f"{SCAN}.coverage.state", "Clean"), "status.evidence.data"),
    "a time of a scan without a zone": (
        facts(f"{SCAN}.coverage.last_scanned_at", "2026-06-01T12:00:00"),
        "status.evidence.data",
    ),
    "a time of a finding without a zone": (
        facts(f"{SCAN}.findings.0.first_observed_at", "2026-06-01T12:00:00"),
        "status.evidence.data",
    ),
    "a time of a push without a zone": (facts("detail.pushed_at", "2026-06-01T12:00:00"), "status.evidence.data"),
    "an EPSS score above one": (facts(f"{SCAN}.findings.0.epss", 1.5), "status.evidence.data"),
    "too many findings": (
        facts(f"{SCAN}.findings", PLAIN["scans"][DIGEST]["findings"] * 1001),
        "status.evidence.data",
    ),
    "too many images": (facts("runnable", PLAIN["runnable"] * 65), "status.evidence.data"),
}


def test_the_whole_object_is_read():
    stored = decode(WHOLE)
    assert (stored.digest, str(stored.repository)) == (DIGEST, "123456789012/eu-west-1/team/app")
    assert decode(msgspec.json.encode(WHOLE)).status == stored.status


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused(case):
    obj, path = REFUSED[case]
    with pytest.raises(InvalidVerdictError) as refused:
        decode(obj)
    assert refused.value.path == path
    with pytest.raises(InvalidVerdictError):
        decode(msgspec.json.encode(obj))


@pytest.mark.parametrize("obj", [{}, [], None, "text", b"", b"{", b"\xff", b'{"kind": "\xff"}', {"spec": {}}], ids=repr)
def test_what_is_no_object_is_refused(obj):
    with pytest.raises(InvalidVerdictError):
        decode(obj)


def test_what_the_api_server_adds_to_metadata_is_ignored():
    obj = copy.deepcopy(WHOLE)
    obj["metadata"] |= {"uid": "1-2", "resourceVersion": "7", "generation": 3, "managedFields": [{"manager": "x"}]}
    assert decode(obj).status == decode(WHOLE).status


def test_an_image_of_another_registry():
    obj = edited("spec.repository", "ghcr.io/team/app")
    obj["metadata"]["name"] = "app-0e77d0e06c9c7aaf"
    with pytest.raises(InvalidVerdictError) as refused:
        decode(obj)
    obj["metadata"]["name"] = str(refused.value).split("expected ")[1].split(",")[0]
    assert decode(obj).repository == OciRepository(OciRegistry("ghcr.io"), "team/app")


@drawn(st.binary(max_size=200) | st.binary(max_size=200).map(lambda text: base64.b64encode(gzip.compress(text))))
def test_nothing_else_is_raised_for_any_text(text):
    with pytest.raises(BadFactsError):
        unpack(text.decode("latin-1"))
