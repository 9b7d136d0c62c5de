"""The facts inside an ImageVerdict, changed by a foreign hand: refused, or such that an image can be judged by them."""

from __future__ import annotations

import base64
import copy
import gzip
from random import Random

import msgspec

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_json
from tests.unit.admission.fakes import FakeClock
from tests.unit.builders import DIGEST, IMAGE, NOW, evidence, finding, findings, full_policy, known, moment, report
from tests.unit.verdicts.given import given, repository
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.cluster.image_verdicts import InvalidObject, read_object
from tidegate.evidence.repository import ScanType
from tidegate.gather.stored_verdicts import StoredVerdicts
from tidegate.images.image_id import ImageId
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.verdicts.encode import encode

OBJECTS = [encode(given(evidence(report(*found))), NOW) for found in ((), (finding(),), findings(HIGH=3, LOW=9))]
PLAN = make_plan(IMAGE, PolicySnapshot.of((full_policy(),)).for_namespace("shop", {}), ())


@fuzzed()
def test_changed_facts_are_refused_or_judged_by(rng: Random) -> None:
    obj = copy.deepcopy(rng.choice(OBJECTS))
    plain = gzip.decompress(base64.b64decode(obj["status"]["evidence"]["data"]))
    changed = changed_json(rng, plain) if rng.random() < 0.8 else blind(rng, plain)
    data = gzip.compress(changed, mtime=0) if rng.random() < 0.9 else blind(rng, gzip.compress(plain, mtime=0))
    obj["status"]["evidence"]["data"] = base64.b64encode(data).decode()
    with shown(changed):
        found = read_object(msgspec.Raw(msgspec.json.encode(obj)))
        if isinstance(found, InvalidObject):
            return
        stored = StoredVerdicts(FakeClock())
        stored.put(found)
        detail = stored.detail(repository(), ImageId.of_digest(DIGEST))
        scan = stored.scan(repository(), DIGEST, ScanType.ENHANCED)
        if detail is None:
            return
        collected = evidence(None if scan is None else known(scan.value), detail=known(detail.value))
        judge_plan(PLAN, collected, now=NOW, monotonic=moment(NOW), audit_only=False)
