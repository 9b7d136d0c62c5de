"""When all is well the log holds no warning: through a start, requests, a check of the controller by itself, and an end."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.e2e.conftest import Installation
from tests.objects import GOOD, POLICY, apply, pod
from tidegate.webhook.server.limits import ServerLimits


def test_a_start_requests_and_a_self_check_log_no_warning(installation: Installation, gated_namespace: str) -> None:
    """The summary of what was refused comes with the next interval, so that one has to pass."""
    gate, cluster = installation.gate, installation.cluster
    assert gate.process is not None
    log = gate.process.log
    gate.stop()
    began = log.stat().st_size
    gate.start()
    gate.apply_policy("quiet", POLICY, match={"namespaces": [gated_namespace]})
    for number in range(3):
        assert apply(cluster, gated_namespace, pod(GOOD, name=f"app-{number}"))[0]
    time.sleep(ServerLimits().summary_seconds + 2 * ServerLimits().sweep_seconds)
    gate.delete_policy("quiet")
    gate.stop()
    with log.open("rb") as stream:
        stream.seek(began)
        lines = [_line(text) for text in stream.read().decode().splitlines()]
    gate.start()
    assert [one for one in lines if one["level"] not in {"debug", "info"}] == []
    events = [one["event"] for one in lines]
    assert "the known-bad request was refused by the running server" in events


def _line(text: str) -> dict[str, Any]:
    """Return a line of the log; what is no JSON was written past it, and is worse than a warning."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return {"level": "none", "event": text}
    return found
