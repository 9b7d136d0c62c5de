"""All policies at one moment, immutable, and those of them that apply to a namespace. Images are matched later.

A snapshot is compiled from a LIST and swapped whole. Reading the unsynced snapshot, which comes before the first LIST,
is an error: "not read yet" is never mistaken for "no policy".
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from tidegate.errors import UndeterminedError
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.match import namespace_matches
from tidegate.policy.model import BrokenPolicy, ImagePolicy
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot

MAX_NAMESPACES = 4096
"""Namespaces whose policies a snapshot remembers; the least recently used is forgotten."""
_REVISION_DIGITS = 16

Policy = ImagePolicy | BrokenPolicy


class NotSyncedError(UndeterminedError):
    """The policies of the cluster have not been read yet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class PolicySet:
    """The policies that apply to one namespace, ordered by name. One set per snapshot and content; it hashes by identity.

    ``trust`` holds their trust stores and keys. ``exceptions`` are those from these policies that apply in the namespace,
    ended ones among them.
    """

    policies: tuple[Policy, ...]
    trust: TrustSnapshot = NO_TRUST
    exceptions: tuple[ImagePolicyException, ...] = ()

    @classmethod
    def of(
        cls,
        policies: Iterable[Policy],
        trust: TrustSnapshot = NO_TRUST,
        exceptions: Iterable[ImagePolicyException] = (),
    ) -> "PolicySet":
        """Return a new set of the policies."""
        ordered = tuple(sorted(policies, key=_order))
        return cls(policies=ordered, trust=trust, exceptions=tuple(exceptions))

    @property
    def has_running_images(self) -> bool:
        """Return whether a policy gives grace to images that run already."""
        rules = (policy.vulnerabilities for policy in self.policies if isinstance(policy, ImagePolicy))
        return any(one is not None and one.running_images is not None for one in rules)

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PolicySnapshot:
    """Every policy of the cluster, with the exceptions from them, and the trust stores and keys that they rely on.

    ``revision`` is a digest of the names, uids and generations of policies and exceptions and of the trust's revision.
    ``policies`` are ordered by name, broken ones among them. ``synced`` is False before the first LIST.
    """

    revision: str
    policies: tuple[Policy, ...]
    synced: bool
    trust: TrustSnapshot = NO_TRUST
    exceptions: tuple[ImagePolicyException, ...] = ()
    _by_namespace: OrderedDict[str, tuple[Mapping[str, str] | None, PolicySet]] = field(
        default_factory=OrderedDict, repr=False
    )
    _by_content: WeakValueDictionary[tuple[tuple[Policy, ...], tuple[ImagePolicyException, ...]], PolicySet] = field(
        default_factory=WeakValueDictionary, repr=False
    )
    _by_home: Mapping[str | None, tuple[ImagePolicyException, ...]] = field(default_factory=dict, repr=False)
    """The exceptions of each namespace, and those of the cluster at None."""

    @classmethod
    def of(
        cls,
        policies: Iterable[Policy],
        trust: TrustSnapshot = NO_TRUST,
        exceptions: Iterable[ImagePolicyException] = (),
    ) -> "PolicySnapshot":
        """Return the snapshot of all policies of the cluster, and of all exceptions from them."""
        ordered = tuple(sorted(policies, key=_order))
        excepted = tuple(exceptions)
        by_home: dict[str | None, list[ImagePolicyException]] = {}
        for one in excepted:
            by_home.setdefault(one.namespace, []).append(one)
        return cls(
            revision=_revision(ordered, trust, excepted),
            policies=ordered,
            synced=True,
            trust=trust,
            exceptions=excepted,
            _by_home={home: tuple(those) for home, those in by_home.items()},
        )

    @classmethod
    def unsynced(cls) -> "PolicySnapshot":
        """Return the state before the first LIST; reading policies from it raises NotSyncedError."""
        return cls(revision="", policies=(), synced=False)

    @property
    def broken(self) -> tuple[BrokenPolicy, ...]:
        """Return the policies that could not be read."""
        return tuple(policy for policy in self.policies if isinstance(policy, BrokenPolicy))

    @property
    def needs_labels(self) -> bool:
        """Tell whether any policy selects namespaces by labels."""
        return any(policy.match.namespace_selector for policy in self.policies)

    def for_namespace(self, name: str, labels: Mapping[str, str] | None) -> PolicySet:
        """Return the policies that apply to a namespace; raise NotSyncedError before the first sync.

        ``labels`` None means unknown: policies that select by labels then apply. The answer is remembered for as long
        as the caller passes the same labels object, which must not be changed in place.
        """
        if not self.synced:
            raise NotSyncedError("the image policies of the cluster have not been read yet; retry in a few seconds")
        memory = self._by_namespace
        remembered = memory.get(name)
        if remembered is not None and remembered[0] is labels:
            memory.move_to_end(name)
            return remembered[1]
        found = self._find(name, labels)
        memory[name] = (labels, found)
        memory.move_to_end(name)
        if len(memory) > MAX_NAMESPACES:
            memory.popitem(last=False)
        return found

    def _find(self, name: str, labels: Mapping[str, str] | None) -> PolicySet:
        """Return the set with what matches: the same object for namespaces with the same policies and exceptions."""
        matching = tuple(policy for policy in self.policies if namespace_matches(policy.match, name, labels))
        names = {policy.name for policy in matching}
        exceptions = tuple(
            one
            for home in (None, name)
            for one in self._by_home.get(home, ())
            if not names.isdisjoint(one.policies) and one.applies_in(name)
        )
        known = self._by_content.get((matching, exceptions))
        if known is None:
            known = self._by_content[matching, exceptions] = PolicySet.of(matching, self.trust, exceptions)
        return known


def _order(policy: Policy) -> tuple[str, str]:
    return policy.name, policy.uid


def _revision(policies: tuple[Policy, ...], trust: TrustSnapshot, exceptions: tuple[ImagePolicyException, ...]) -> str:
    """Return a digest that changes when an object is added, removed, replaced or edited, or what is trusted changes."""
    objects = [(policy.name, policy.uid, policy.generation) for policy in policies]
    excepted = [(one.label, one.uid, one.generation) for one in exceptions]
    content = json.dumps([objects, trust.revision, *([excepted] if excepted else [])])
    return hashlib.sha256(content.encode()).hexdigest()[:_REVISION_DIGITS]
