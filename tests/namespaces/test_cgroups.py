"""Which control groups a node has on machines of either version."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.namespaces import cgroups

VERSION_1 = """\
tmpfs /sys/fs/cgroup tmpfs rw,nosuid,nodev,noexec,mode=755 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,nodev,noexec,relatime,xattr,name=systemd 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,release_agent=/run/agent,memory 0 0
"""
VERSION_2 = """\
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0
"""


def test_each_hierarchy_of_version_1_is_mounted_again_by_its_controllers() -> None:
    assert cgroups.hierarchies(VERSION_1) == {
        Path("/sys/fs/cgroup/systemd"): "none,name=systemd",
        Path("/sys/fs/cgroup/cpu,cpuacct"): "cpu,cpuacct",
        Path("/sys/fs/cgroup/memory"): "memory",
    }


def test_version_2_has_no_hierarchy_a_controller() -> None:
    assert cgroups.hierarchies(VERSION_2) == {}


def test_a_node_on_version_1_is_in_a_group_of_each_hierarchy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: {Path("/groups/cpu"): "cpu", Path("/groups/memory"): "memory"})
    assert cgroups.folders("n") == cgroups.entrances("n") == [Path("/groups/cpu/n"), Path("/groups/memory/n")]


def test_a_node_on_version_2_has_its_processes_in_a_group_below_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", dict)
    assert cgroups.folders("n") == [Path("/sys/fs/cgroup/n")]
    assert cgroups.entrances("n") == [Path("/sys/fs/cgroup/n/node")]


def test_groups_are_made_found_and_removed_with_all_below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Shown with folders in place of the kernel's."""
    places = {tmp_path / "cpuset": "cpuset", tmp_path / "memory": "memory"}
    for place in places:
        place.mkdir()
    for file, content in (("cpuset.cpus", "0-1"), ("cpuset.mems", "0")):
        (tmp_path / "cpuset" / file).write_text(content)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: places)
    name = f"{cgroups.PREFIX}1"
    cgroups.create(name)
    assert cgroups.names() == {name}
    for place in places:
        (place / name / "pod" / "container").mkdir(parents=True)
    assert cgroups.remove(name) == []
    assert cgroups.names() == set()


def test_what_can_not_be_removed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda: {tmp_path: "memory"})
    monkeypatch.setattr(cgroups, "REMOVE_TIMEOUT_SECONDS", 0.0)
    cgroups.create("busy")
    (tmp_path / "busy" / "cgroup.procs").write_text("1")
    assert cgroups.remove("busy") == [str(tmp_path / "busy")]
