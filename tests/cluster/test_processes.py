"""Programs beside the tests: what a person reads when one fails, and that each really ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import ports
from tests.cluster.audit import read_audit_log
from tests.cluster.ports import free_ports
from tests.cluster.processes import LOG_TAIL_LINES, ProcessError, Processes
from tests.cluster.waiting import wait_for

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    running = Processes(tmp_path)
    yield running
    running.stop()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    """A zombie counts as ended: nobody has asked for its status yet."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_program_that_ends_early_is_told_with_the_end_of_its_log(processes: Processes) -> None:
    """The last lines, not all of them."""
    lines = LOG_TAIL_LINES + 1
    process = processes.start("broken", python(f"print(*[f'line {{n}}.' for n in range({lines})], sep='\\n'); exit(3)"))
    with pytest.raises(ProcessError, match=r"broken ended with status 3") as caught:
        process.wait_until(lambda: False, timeout_seconds=20)
    assert f"line {lines - 1}." in str(caught.value)
    assert "line 1." in str(caught.value)
    assert "line 0." not in str(caught.value)


def test_a_program_that_never_gets_ready_is_told_with_its_log(processes: Processes) -> None:
    process = processes.start("slow", python("print('thinking', flush=True); import time; time.sleep(600)"))
    process.wait_until(lambda: "thinking" in process.log_tail(), timeout_seconds=20)
    with pytest.raises(ProcessError, match=r"slow was not ready after 0 s(.|\n)*thinking"):
        process.wait_until(lambda: False, timeout_seconds=0)


def test_a_program_deaf_to_the_polite_signal_is_killed(processes: Processes) -> None:
    process = processes.start("deaf", python(STUBBORN))
    process.wait_until(lambda: "deaf" in process.log_tail(), timeout_seconds=20)
    assert process.stop(grace_seconds=0.1) == -signal.SIGKILL


def test_stopping_twice_gives_the_same_answer(processes: Processes) -> None:
    process = processes.start("once", python("import time; time.sleep(600)"))
    assert process.stop() == process.stop() == process.returncode == -signal.SIGTERM


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at Linux's /proc")
def test_what_a_program_started_itself_ends_with_it(processes: Processes) -> None:
    process = processes.start("parent", python(PARENT))
    process.wait_until(lambda: process.log_tail().strip().isdigit(), timeout_seconds=20)
    child = int(process.log_tail())
    assert is_alive(child)
    process.stop()
    wait_for(lambda: not is_alive(child), what="the child's end")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at Linux's /proc")
def test_what_a_killed_program_started_has_ended_when_stop_returns(processes: Processes) -> None:
    """The program that starts again in its place needs the same ports."""
    process = processes.start("parent", python(PARENT))
    process.wait_until(lambda: process.log_tail().strip().isdigit(), timeout_seconds=20)
    child = int(process.log_tail())
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: process.returncode is not None, what="the program's end")
    assert is_alive(child)
    process.stop(grace_seconds=0.1)
    wait_for(lambda: not is_alive(child), what="the child's end")


def test_programs_end_the_last_started_first(processes: Processes, tmp_path: Path) -> None:
    """An API server whose etcd went first waits for it in vain."""
    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    with pathlib.Path({str(tmp_path / 'order')!r}).open('a') as order: order.write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)\n"
    )
    for name in ("a", "b", "c"):
        process = processes.start(name, [*python(code), name])
        process.wait_until(lambda process=process: "up" in process.log_tail(), timeout_seconds=20)  # type: ignore[misc]
    processes.stop()
    assert (tmp_path / "order").read_text() == "cba"


def test_a_port_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "LOWEST_PORT", port)
        monkeypatch.setattr(ports, "HIGHEST_PORT", port + 1)
        monkeypatch.setattr(ports, "MAXIMUM_DRAWS", 1)
        monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
        with pytest.raises(OSError, match="found 0 of 1 free ports"):
            free_ports(1)


def test_ports_are_different_ones() -> None:
    assert len(set(free_ports(50))) == 50


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes it may not listen on it yet."""
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "HIGHEST_PORT", ports.LOWEST_PORT + 25)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    assert not set(free_ports(10)) & set(free_ports(10))


def test_processes_that_run_tests_beside_each_other_get_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST_PORT", ports.LOWEST_PORT + 3 * 20)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    found: list[int] = []
    for number in range(3):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        monkeypatch.setattr(ports, "_given", set())
        found += free_ports(15)
    assert len(set(found)) == 3 * 15


def test_an_audit_event_still_being_written_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    assert read_audit_log(log) == []
    log.write_text('{"verb": "create"}\n{"verb": "upd')
    assert read_audit_log(log) == [{"verb": "create"}]
    log.write_text('{"verb": "create"}\n{"verb": "update"}\n')
    assert [event["verb"] for event in read_audit_log(log)] == ["create", "update"]
