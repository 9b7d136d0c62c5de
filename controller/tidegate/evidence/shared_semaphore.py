"""A semaphore that leaves room for others: each share, a namespace or a registry, gets a part of its permits."""

import threading
from typing import Final


class SharedSemaphore:
    """Gives ``permits`` at most, and ``permits_of_a_share`` of them to one share. Safe to share between threads."""

    def __init__(self, permits: int, permits_of_a_share: int) -> None:
        self._permits: Final = permits
        self._permits_of_a_share: Final = permits_of_a_share
        self._holders: dict[object, frozenset[str]] = {}
        # Reentrant: a finalizer may release a permit while its thread has the lock.
        self._released = threading.Condition(threading.RLock())

    def __len__(self) -> int:
        """Return how many permits are held."""
        return len(self._holders)

    def acquire(self, holder: object, *shares: str, seconds: float) -> bool:
        """Wait so long for a permit, which counts for each of these shares; return whether the holder has one."""
        with self._released:
            if not self._released.wait_for(lambda: self._has_permit(shares), seconds):
                return False
            self._holders[holder] = frozenset(shares)
            return True

    def release(self, holder: object) -> None:
        """Release the permit of a holder, if it has one."""
        with self._released:
            if self._holders.pop(holder, None) is not None:
                self._released.notify_all()

    def _has_permit(self, shares: tuple[str, ...]) -> bool:
        held = list(self._holders.values())
        return len(held) < self._permits and all(
            sum(share in each for each in held) < self._permits_of_a_share for share in shares
        )
