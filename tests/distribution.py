"""How `make test` shares the tests among processes: by file or by the cluster that they share, the longest first.

Tests that measure memory or waiting run before all others, in one process, while the other processes wait.
Without `--numprocesses` the tests run one after another in the order of their names, and nothing here has an effect.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ALONE = "tests/attack/"
"""Tests of this folder measure a server's memory, and how long its clients wait: other tests must not run beside them."""
E2E = "tests/e2e/"
"""Tests of this folder share control planes, each of which takes some seconds to start."""
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
LONG = (
    ALONE,
    *(f"{ON_A_NODE}{file}" for file in ON_THEIR_OWN_NODE),
    ON_A_NODE,
    E2E,
    "tests/monitoring/",
    "tests/chart/",
    "tests/demo/",
    "tests/cluster/",
    "tests/integration/",
)
"""What is started first, in this order."""


def group(test: str) -> str:
    """Return the name of the tests that one process runs one after another, this one among them."""
    file = test.partition("::")[0]
    if file.startswith(ALONE):
        return ALONE
    if file.startswith(ON_A_NODE):
        return f"{ON_A_NODE}{'half' if file.removeprefix(ON_A_NODE) in HALF else 'other half'}"
    return E2E if file.startswith(E2E) and file != DEMO else file


def turn(test: str) -> int:
    """Return how early a test starts; 0 is first."""
    return next((index for index, place in enumerate(LONG) if test.startswith(place)), len(LONG))


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the tests by their turn; those of one turn keep their order."""
    items.sort(key=lambda item: turn(item.nodeid))


class Groups(LoadScopeScheduling):
    """Hands each process the next group of tests when it has nearly ended the one before.

    The first process runs the group ALONE before any other process gets a test.
    """

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Note that a test has ended, and hand out more; the other processes start when ALONE has ended."""
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
        if node is self.nodes[0] or not self._measures():
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node is self.nodes[0] or not self._measures():
            super()._reschedule(node)

    def _measures(self) -> bool:
        """Tell whether a test of ALONE has still to end."""
        groups = (self.workqueue, *self.assigned_work.values())
        return any(not ended for each in groups for ended in each.get(ALONE, {}).values())
