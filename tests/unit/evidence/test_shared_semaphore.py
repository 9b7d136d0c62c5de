"""Permits that leave room for other namespaces, also where one is released by a finalizer."""

import threading

from tidegate.evidence.shared_semaphore import SharedSemaphore


def acquired(semaphore: SharedSemaphore, holder: str, *shares: str) -> bool:
    return semaphore.acquire(holder, *shares, seconds=0.01)


def test_a_share_gets_its_part_and_all_together_no_more_than_there_are():
    semaphore = SharedSemaphore(3, 2)
    assert [acquired(semaphore, holder, "flood") for holder in "abc"] == [True, True, False]
    assert [acquired(semaphore, holder, "other") for holder in "de"] == [True, False]
    semaphore.release("a")
    semaphore.release("a")
    semaphore.release("unknown")
    assert len(semaphore) == 2
    assert acquired(semaphore, "f", "flood")


def test_a_permit_counts_for_each_of_its_shares():
    semaphore = SharedSemaphore(6, 2)
    assert acquired(semaphore, "a", "team", "registry")
    assert acquired(semaphore, "b", "other", "registry")
    assert not acquired(semaphore, "c", "third", "registry")
    assert acquired(semaphore, "d", "team", "second")
    assert not acquired(semaphore, "e", "team", "third")
    semaphore.release("b")
    assert acquired(semaphore, "c", "third", "registry")


def test_who_waits_gets_the_permit_that_is_released():
    semaphore, got = SharedSemaphore(1, 1), []
    assert acquired(semaphore, "a", "x")
    waiting = threading.Thread(target=lambda: got.append(semaphore.acquire("b", "x", seconds=30)))
    waiting.start()
    semaphore.release("a")
    waiting.join(30)
    assert got == [True]


def test_a_permit_may_be_released_while_the_thread_has_the_lock():
    """The garbage collector runs finalizers at any allocation."""
    semaphore = SharedSemaphore(1, 1)
    assert acquired(semaphore, "a", "x")

    def release() -> None:
        with semaphore._released:
            semaphore.release("a")

    thread = threading.Thread(target=release, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(semaphore) == 0
