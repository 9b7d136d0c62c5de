"""What a simulated AWS service is made of, and what its handlers are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulator.identity import Identities
from tests.simulator.wire import AwsError, Caller, Wire
from tests.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call of an operation, as its handler sees it."""

    world: World
    identities: Identities
    caller: Caller
    region: str
    operation: str
    payload: dict[str, Any]
    base_url: str


def _own_account(payload: dict[str, Any], caller: Caller) -> str:
    return caller.account


def _one(payload: dict[str, Any]) -> int:
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One AWS service: its signing name, wire format, operations, and how it words the common errors.

    `account` says which account a call is about, `ids` how many things it asks for (for the counters); `anonymous`
    operations need no signature.
    """

    name: str
    wire: Wire
    operations: Mapping[str, Callable[[Request], dict[str, Any]]]
    errors: Mapping[str, AwsError]
    account: Callable[[dict[str, Any], Caller], str] = _own_account
    ids: Callable[[dict[str, Any]], int] = _one
    anonymous: frozenset[str] = frozenset()
