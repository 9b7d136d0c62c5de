"""Threads of the controller give way to the event loop sooner than Python's own do."""

import sys

import pytest

from tidegate.app import admission
from tidegate.settings import Settings


@pytest.fixture(autouse=True)
def _usual():
    usual = sys.getswitchinterval()
    yield
    sys.setswitchinterval(usual)


def test_a_thread_keeps_the_lock_for_a_millisecond(monkeypatch):
    seen: list[float] = []

    def run(coroutine) -> None:
        coroutine.close()
        seen.append(sys.getswitchinterval())

    monkeypatch.setattr("uvloop.run", run)
    admission.run_admission(Settings())
    assert seen == [pytest.approx(admission.SWITCH_SECONDS)]
