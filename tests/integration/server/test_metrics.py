"""What a server counts is what Prometheus reads."""

from prometheus_client import CollectorRegistry

from tests.integration.server.peer import get, post
from tidegate.app.server_metrics import ServerMetrics
from tidegate.webhook.server import Ended


def samples(site):
    """Return the value of each sample by its name and the values of its labels."""
    registry = CollectorRegistry()
    registry.register(ServerMetrics(lambda: [site.server]))
    found = [sample for family in registry.collect() for sample in family.samples]
    return {(sample.name.removeprefix("tidegate_server_"), *sample.labels.values()): sample.value for sample in found}


async def test_connections_answers_and_ends_are_counted(start):
    site = await start(head_seconds=0.1)
    peer = await site.peer()
    assert (await peer.ask(post())).status == 200
    assert (await site.ask(get("/nope"))).status == 404
    slow = await site.peer()
    await slow.send(b"GET /")
    assert (await slow.answer()).status == 408
    await slow.rest()
    half = await site.peer()
    await half.send(post(b"x" * 100)[:-1])
    await site.until(lambda: site.table.buffered_bytes == 99)
    await site.until(lambda: len(site.table.connections) == 2)
    values = samples(site)
    assert values["connections", "admission"] == 2
    assert values["body_bytes", "admission"] == 99
    assert values["accepted_total", "admission"] == 4
    assert values["accept_waits_total", "admission"] == 0
    assert {key[2]: value for key, value in values.items() if key[0] == "answers_total"} == {
        "200": 1,
        "404": 1,
        "408": 1,
    }
    ended = {key[2]: value for key, value in values.items() if key[0] == "ended_total"}
    assert ended == {reason.value: int(reason is Ended.TIME) for reason in Ended}
