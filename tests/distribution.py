"""How `make test` shares the tests among processes: by file or by the cluster that they share, the longest first.

The last half of the processes runs at a low priority, and none of the TIMED tests: these mostly wait, and have time limits.
When such a process has no other tests left, it takes LATE ones and its first priority again, which only root may. Of the
TIMED tests, those that measure memory or waiting run before the others, in one process; only tests on control planes run
beside them.
Without `--numprocesses` the tests run one after another in the order of their names, and nothing here has an effect.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ALONE = "tests/attack/"
"""Tests of this folder measure a server's memory, and how long its clients wait: of the TIMED tests only E2E run beside them."""
E2E = "tests/e2e/"
"""Tests of this folder share control planes, each of which takes some seconds to start. They wait for most of their time."""
KUBE = f"{E2E}kube/"
"""As E2E. These are a group of their own, so that two processes can share the tests on control planes."""
DEMO = f"{E2E}test_demo.py"
"""It starts what it shows."""
ON_A_NODE = f"{E2E}node/"
"""Tests of this folder share one installation in each process, which takes half a minute to start."""
ON_THEIR_OWN_NODE = ("test_guides.py", "test_leftovers.py")
"""Files of that folder whose tests start other nodes: before the shared one, so that fewer run at once."""
HALF = (
    *ON_THEIR_OWN_NODE,
    "test_certificate_modes.py",
    "test_failed_upgrade.py",
    "test_policy_changes.py",
    "test_preflight.py",
)
"""Files of that folder that together take as long as all others."""
TIMED = (
    ALONE,
    E2E,
    "tests/monitoring/",
    "tests/demo/",
    "tests/integration/cluster/",
    "tests/integration/registry/",
    "tests/integration/server/",
)
"""Tests of these folders wait for programs or servers, with time limits."""
LATE = (
    "tests/monitoring/",
    "tests/demo/",
    "tests/integration/cluster/",
    "tests/integration/registry/",
    "tests/integration/server/",
)
"""Of the TIMED tests, those that start no control plane, or only a short one."""
NICE = 10
"""The priority of the processes that run none of the TIMED tests: they get about a tenth of a core that others want."""
PATIENCE = 4
"""How many times longer these wait for an answer."""
LONG = (
    ALONE,
    *(f"{ON_A_NODE}{file}" for file in ON_THEIR_OWN_NODE),
    ON_A_NODE,
    KUBE,
    E2E,
    "tests/monitoring/",
    "tests/demo/",
    "tests/chart/",
    "tests/cluster/",
    "tests/integration/",
)
"""What is started first, in this order."""


_lowered: list[int] = []
"""The priority that this process had before it lowered it, if it has."""


def group(test: str) -> str:
    """Return the name of the tests that one process runs one after another, this one among them."""
    file = test.partition("::")[0]
    if file.startswith(ALONE):
        return ALONE
    if file.startswith(ON_A_NODE):
        return f"{ON_A_NODE}{'half' if file.removeprefix(ON_A_NODE) in HALF else 'other half'}"
    if file.startswith(KUBE):
        return KUBE
    return E2E if file.startswith(E2E) and file != DEMO else file


def turn(test: str) -> int:
    """Return how early a test starts; 0 is first."""
    return next((index for index, place in enumerate(LONG) if test.startswith(place)), len(LONG))


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests by their turn; those of one turn keep their order."""
    items.sort(key=lambda item: turn(item.nodeid))


def number_of(name: str) -> int:
    """Return the number of a process by its name: 0 of `gw0`."""
    return int(name.removeprefix("gw"))


def gives_way(process: int, processes: int) -> bool:
    """Tell whether a process runs at a low priority and none of the TIMED tests. One that replaces a crashed one does not."""
    return (processes + 1) // 2 <= process < processes


def patient(seconds: float) -> float:
    """Return how long this process waits for an answer that comes within these seconds where nothing else runs."""
    return seconds * PATIENCE if os.nice(0) >= NICE else seconds


def lower_priority() -> None:
    """Let the programs that other processes wait for run first."""
    _lowered.append(os.nice(0))
    os.nice(NICE)
    with contextlib.suppress(OSError):
        os.setsid()
    _tell_group(NICE)


def restore_priority(test: str) -> None:
    """Take the first priority again before a test with time limits, if this process had lowered it."""
    if test.startswith(TIMED) and _lowered:
        os.setpriority(os.PRIO_PROCESS, 0, _lowered.pop())
        _tell_group(0)


def may_restore_priority() -> bool:
    """Tell whether processes of this user may raise their priority."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) - 1)
    except OSError:
        return False
    os.nice(1)
    return True


def _tell_group(priority: int) -> None:
    """Give the session a priority: where Linux groups processes by session, those of processes count only within it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(priority))


class Groups(LoadScopeScheduling):
    """Hands each process the next group of tests that it may run when it has nearly ended the one before."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._takes_late_ones = may_restore_priority()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Note that a test has ended, and hand out more; processes that waited for ALONE to end go on when it has."""
        waited = self._measures()
        super().mark_test_complete(node, item_index, duration)
        if waited and not self._measures():
            for other in self.nodes[1:]:
                # Twice, since a process runs its last test only when it knows what follows.
                self._reschedule(other)
                self._reschedule(other)

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        suitable = [name for name in self.workqueue if self._suits(node, name)]
        if not suitable and self._takes_late_ones:
            suitable = [name for name in self.workqueue if name.startswith(LATE)]
        if not suitable:
            node.shutdown()
            return
        if self._measures() and not self._is_first(node) and not self._gives_way(node):
            suitable = [name for name in (E2E, KUBE) if name in suitable]
        if any(name.startswith(ON_A_NODE) for name in self.assigned_work.get(node, ())):
            # The next group is chosen minutes before the last test of a node ends: its other half is for another process.
            suitable.sort(key=lambda name: name.startswith(ON_A_NODE))
        if suitable:
            self.workqueue.move_to_end(suitable[0], last=False)
            super()._assign_work_unit(node)

    def _suits(self, node: WorkerController, name: str) -> bool:
        """Tell whether a process may run a group of tests, now or later."""
        return not (self._gives_way(node) and name.startswith(TIMED)) and (name != ALONE or self._is_first(node))

    def _is_first(self, node: WorkerController) -> bool:
        return node is next(one for one in self.nodes if not self._gives_way(one))

    def _gives_way(self, node: WorkerController) -> bool:
        return gives_way(number_of(node.gateway.id), self.numnodes)

    def _measures(self) -> bool:
        """Tell whether a test of ALONE has still to end."""
        groups = (self.workqueue, *self.assigned_work.values())
        return any(not ended for each in groups for ended in each.get(ALONE, {}).values())
