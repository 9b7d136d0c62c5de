"""Trust for policies as one value: the stores and keys that were read, and what was not read said to be so."""

import asyncio
from typing import cast

import pytest

from tests.unit.policy.examples import SCANNED, with_spec
from tests.unit.policy.signature_examples import KEYLESS, KMS, by_notation, by_sigstore
from tidegate.cluster.trust import UNREAD, WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore, StoreType, TrustStore
from tidegate.trust.kms_keys import NOT_YET, KmsKeys

UNSIGNED = parse_policy(with_spec(SCANNED))
SIGNED = parse_policy(with_spec(by_notation(trustStores=["acme", "acme-tsa"])))
KEYED = parse_policy(with_spec(by_sigstore(key={"kms": KMS}, transparencyLog="NotRequired")))
KEYLESS_POLICY = parse_policy(with_spec(by_sigstore(**KEYLESS)))
STORE = TrustStore(name="acme", uid="u", generation=1, type=StoreType.CA, certificates=(b"x",))


class Stores:
    """Trust stores as a test says them."""

    def __init__(self, *stores: AnyTrustStore) -> None:
        self.stores: tuple[AnyTrustStore, ...] | None = stores
        self.on_change = None

    def current(self) -> tuple[AnyTrustStore, ...] | None:
        return self.stores

    def is_read(self) -> bool:
        return self.stores is not None


class Source:
    def public_key(self, arn: str) -> bytes:
        return f"pem of {arn}".encode()


@pytest.fixture
def stores() -> Stores:
    return Stores(STORE)


@pytest.fixture
async def trust(stores):
    keys = KmsKeys(Source())
    task = asyncio.create_task(keys.run())
    yield WatchedTrust(cast("WatchedTrustStores", stores), keys)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_holds_the_stores_and_the_keys_that_policies_name(trust):
    assert dict(trust.snapshot([KEYED, UNSIGNED]).keys) == {KMS: NOT_YET}, "nothing waits for a key"
    await trust.keys.wait(20)
    snapshot = trust.snapshot([KEYED, UNSIGNED])
    assert dict(snapshot.stores) == {"acme": STORE}
    assert dict(snapshot.keys) == {KMS: f"pem of {KMS}".encode()}


async def test_it_is_the_same_object_until_something_changes(trust, stores):
    first = trust.snapshot([SIGNED])
    assert trust.snapshot([SIGNED, UNSIGNED]) is first
    stores.stores = (STORE, BrokenTrustStore(name="b", uid="", generation=1, problems=("p",)))
    second = trust.snapshot([SIGNED])
    assert second is not first
    assert trust.snapshot([SIGNED, KEYED]) is not second


@pytest.mark.parametrize(
    ("policies", "read"),
    [
        pytest.param([], True, id="no policy"),
        pytest.param([UNSIGNED], True, id="a policy without signatures"),
        pytest.param([KEYED], True, id="a policy with a key alone"),
        pytest.param([SIGNED], False, id="a policy with Notation"),
        pytest.param([UNSIGNED, KEYLESS_POLICY], False, id="a policy with a trusted root"),
    ],
)
async def test_it_was_read_where_nobody_needs_more(trust, stores, policies, read):
    assert trust.is_read(policies)
    stores.stores = None
    assert trust.is_read(policies) is read


async def test_what_was_not_read_is_broken_and_not_missing(trust, stores):
    stores.stores = None
    snapshot = trust.snapshot([SIGNED, UNSIGNED])
    assert {name: store.problems for name, store in snapshot.stores.items()} == {
        "acme": (UNREAD,),
        "acme-tsa": (UNREAD,),
    }


async def test_news_of_either_are_told(trust, stores):
    told = []
    trust.notify(lambda: told.append("news"))
    assert stores.on_change is not None
    stores.on_change()
    trust.snapshot([KEYED])
    await trust.keys.wait(20)
    assert told == ["news", "news"]


async def test_a_key_was_read_once_it_was_asked_for(trust):
    trust.snapshot([KEYED])
    assert not trust.is_read([KEYED])
    await trust.keys.wait(20)
    assert trust.is_read([KEYED])
