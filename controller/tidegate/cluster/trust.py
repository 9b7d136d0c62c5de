"""The trust that policies use: the trust stores of the cluster and the keys in AWS KMS."""

from collections.abc import Callable, Iterable
from typing import Final

from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.policy.snapshot import Policy
from tidegate.policy.trust_problems import kms_keys_of, named_trust_stores
from tidegate.policy.trust_stores import NO_TRUST, BrokenTrustStore, TrustSnapshot
from tidegate.trust.kms_keys import KmsKeys

UNREAD: Final = "the trust stores of the cluster have not been read yet"


class WatchedTrust:
    """Provides the trust that policies use as one immutable value."""

    def __init__(self, stores: WatchedTrustStores, keys: KmsKeys) -> None:
        self.stores = stores
        self.keys = keys
        self._snapshot = NO_TRUST

    def notify(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the next snapshot may differ."""
        self.stores.on_change = changed
        self.keys.notify(changed)

    def is_read(self, policies: Iterable[Policy]) -> bool:
        """Tell whether the trust stores were read, if the policies name any, and each key was read or refused."""
        return self.keys.is_answered() and (self.stores.is_read() or not named_trust_stores(policies))

    def snapshot(self, policies: Iterable[Policy]) -> TrustSnapshot:
        """Return the trust for the policies, the same object until something changes. It does not wait.

        Before the first list, each trust store that policies name is in it as broken, because it may exist.
        """
        policies = tuple(policies)
        keys = self.keys.answers(kms_keys_of(policies))
        stores = self.stores.current()
        if stores is None:
            named = named_trust_stores(policies)
            stores = tuple(BrokenTrustStore(name=one, uid="", generation=0, problems=(UNREAD,)) for one in named)
        fresh = TrustSnapshot.of(stores, keys)
        if fresh.revision != self._snapshot.revision:
            self._snapshot = fresh
        return self._snapshot
