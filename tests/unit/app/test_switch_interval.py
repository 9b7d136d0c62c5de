"""Threads of the controller give way to the event loop sooner than Python's own do."""

import sys

import pytest

from tidegate.app import admission, background
from tidegate.app.process import SWITCH_SECONDS, run_role
from tidegate.settings import Settings


@pytest.fixture(autouse=True)
def _usual():
    usual = sys.getswitchinterval()
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("serve", [admission.serve, background.serve])
def test_a_thread_keeps_the_lock_for_a_millisecond(monkeypatch, serve):
    seen: list[float] = []

    def run(coroutine) -> None:
        coroutine.close()
        seen.append(sys.getswitchinterval())

    monkeypatch.setattr("uvloop.run", run)
    run_role(Settings(), serve)
    assert seen == [pytest.approx(SWITCH_SECONDS)]
