"""What any sender may put into the queue of events: it is read as an event about ECR, or refused, and nothing else happens."""

import json
from random import Random

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_json
from tests.unit.aws.test_events import FINDING, REPOSITORIES, action, event
from tidegate.aws.events import KINDS, MAX_RESOURCES, OTHER, parse_event
from tidegate.errors import InvalidEventError
from tidegate.images.repository import PARTITIONS

SEEDS = [
    json.dumps(each).encode()
    for each in (
        FINDING,
        action(**{"image-tag": "sha256-" + "0b" * 32, "artifact-media-type": "application/x"}),
        event("ECR Scan Resource Change", {"repositories": REPOSITORIES}),
        {"Type": "Notification", "Message": json.dumps(FINDING)},
    )
]


@fuzzed()
def test_any_message_is_an_event_or_refused(rng: Random) -> None:
    seed = rng.choice(SEEDS)
    content = changed_json(rng, seed) if rng.random() < 0.7 else blind(rng, seed)
    with shown(content):
        try:
            found = parse_event(content.decode("utf-8", errors="surrogateescape"))
        except InvalidEventError:
            return
        assert found.kind in KINDS | {OTHER}
        assert len(found.changes) <= MAX_RESOURCES
        assert all(each.registry.partition in PARTITIONS for each in found.changes)
