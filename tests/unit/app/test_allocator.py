"""Free memory goes back to the system after bursts of connections, and at no other time."""

import asyncio
import ctypes
from types import SimpleNamespace

import pytest

from tidegate.app import allocator


class Libc:
    """Notes what it is called with."""

    def __init__(self) -> None:
        self.options: list[tuple[int, int]] = []
        self.trims = 0

    def mallopt(self, option: int, value: int) -> int:
        self.options.append((option, value))
        return 1

    def malloc_trim(self, _pad: int) -> int:
        self.trims += 1
        return 1


@pytest.fixture
def libc(monkeypatch):
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: libc)
    return libc


def test_large_pieces_are_mapped_and_arenas_are_few(libc):
    allocator.set_up_allocator()
    assert libc.options == [(-3, 128 * 1024), (-8, 2)]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    allocator.set_up_allocator()


async def test_memory_is_given_back_after_a_hundred_connections(libc, monkeypatch):
    counts = iter([0, 99, 100, 150, 199, 200])
    ended = asyncio.Event()

    def connections_ended():
        count = next(counts, None)
        if count is None:
            ended.set()
            return 200
        return count

    monkeypatch.setattr(allocator, "TRIM_SECONDS", 0)
    task = asyncio.create_task(allocator.give_memory_back(connections_ended))
    await ended.wait()
    task.cancel()
    assert libc.trims == 2
