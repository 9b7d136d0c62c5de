"""Problems with what a policy relies on: missing, invalid or mistyped trust stores, and keys that were not read.

The problems go into the status of the policy. ``checks`` decides what they mean for an image.
"""

from collections.abc import Callable, Iterable, Iterator

from tidegate.policy.model import ImagePolicy
from tidegate.policy.objects import bounded
from tidegate.policy.signatures import Authority, KeyedAuthority, KmsKey, NotationAuthority, trust_stores_of
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType, TrustSnapshot


def authorities_of(policy: ImagePolicy) -> Iterator[Authority]:
    """Give each authority of a policy once, those of its attestations too."""
    seen: set[int] = set()
    rules = policy.signatures.any_of if policy.signatures is not None else ()
    for authority in (*rules, *(one for each in policy.attestations or () for one in each.any_of)):
        if id(authority) not in seen:
            seen.add(id(authority))
            yield authority


def kms_keys_of(policies: Iterable[object]) -> tuple[str, ...]:
    """Return the ARNs of all keys in AWS KMS that policies name, in order."""
    return _named(policies, lambda authority: (key.arn,) if (key := _kms_key(authority)) else ())


def named_trust_stores(policies: Iterable[object]) -> tuple[str, ...]:
    """Return the names of all trust stores that policies rely on, in order."""
    return _named(policies, trust_stores_of)


def _named(policies: Iterable[object], names_of: Callable[[Authority], tuple[str, ...]]) -> tuple[str, ...]:
    valid = [policy for policy in policies if isinstance(policy, ImagePolicy)]
    return tuple(sorted({name for one in valid for authority in authorities_of(one) for name in names_of(authority)}))


def _kms_key(authority: Authority) -> KmsKey | None:
    return authority.key if isinstance(authority, KeyedAuthority) and isinstance(authority.key, KmsKey) else None


def trust_problems(policy: ImagePolicy, trust: TrustSnapshot) -> tuple[str, ...]:
    """Return every problem with what a policy's authorities rely on, each once; empty where all is well."""
    problems = dict.fromkeys(
        f"authority {authority.name}: {problem}"
        for authority in authorities_of(policy)
        for problem in _problems(authority, trust)
    )
    return bounded(tuple(problems))


def _problems(authority: Authority, trust: TrustSnapshot) -> Iterator[str]:
    if isinstance(authority, NotationAuthority):
        yield from _notation_problems(authority, trust)
        return
    if authority.trusted_root is not None:
        problem, type_ = _look_up(authority.trusted_root, trust)
        if problem:
            yield problem
        elif type_ is not StoreType.SIGSTORE:
            yield f"trust store {authority.trusted_root} has type {type_}, expected {StoreType.SIGSTORE}"
    if key := _kms_key(authority):
        found = trust.keys.get(key.arn, "it has not been read yet")
        if isinstance(found, str):
            yield f"key {key.arn}: {found}"


def _notation_problems(authority: NotationAuthority, trust: TrustSnapshot) -> Iterator[str]:
    types = set()
    for name in authority.trust_stores:
        problem, type_ = _look_up(name, trust)
        if problem:
            yield problem
        elif type_ is StoreType.SIGSTORE:
            yield f"trust store {name} has type {type_}, expected ca, signingAuthority or tsa"
        types.add(type_)
    if types <= {StoreType.TSA}:
        yield "all of its trust stores have type tsa, expected at least one of type ca or signingAuthority"


def _look_up(name: str, trust: TrustSnapshot) -> tuple[str, StoreType | None]:
    """Return what is wrong with a trust store of any type, or an empty text, and its type where it is known."""
    store = trust.stores.get(name)
    if store is None:
        return f"trust store {name} does not exist", None
    if isinstance(store, BrokenTrustStore):
        return f"trust store {name} is invalid; see its status", None
    return "", store.type
