"""YAML files with Kubernetes objects: policies, exceptions from them, and any others.

Files are bounded in size and number of objects. The items of ``List`` objects are read one by one. A document that is not
an object is an error that names the file.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.namespace_labels import NamespaceLabels, labels_of
from tidegate.cli.trust_documents import TrustOfFiles, read_trust
from tidegate.cli.yaml_files import YamlValue, read_text, yaml_values
from tidegate.policy.exception_object import SPECS, compile_exception
from tidegate.policy.exceptions import BrokenException, ImagePolicyException
from tidegate.policy.model import BrokenPolicy, ImagePolicy
from tidegate.policy.objects import GROUP
from tidegate.policy.parse import compile_policy
from tidegate.policy.snapshot import Policy
from tidegate.strict.quotation import quoted

MAX_DOCUMENTS = 20_000

_KINDS = ("ImagePolicy", *SPECS, "TrustStore", "ImageVerdict")

BASELINE: dict[str, Any] = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ImagePolicy",
    "metadata": {"name": "built-in-baseline"},
    "spec": {
        "validationActions": ["Deny"],
        "tags": {"immutable": True},
        "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
    },
}
"""The policy without --policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPolicies:
    """The policies of files, the exceptions from them, the trust stores and keys that they use, and namespaces' labels."""

    policies: tuple[Policy, ...]
    exceptions: tuple[ImagePolicyException, ...] = ()
    trust: TrustOfFiles = field(default_factory=TrustOfFiles)
    labels: NamespaceLabels = field(default_factory=dict)


def read_policies(files: tuple[Path, ...]) -> ReadPolicies:
    """Return the policies, exceptions and trust stores of the files, or the baseline policy without files.

    Raise ArgumentError for an invalid object.
    """
    if not files:
        return ReadPolicies(policies=(compile_policy(BASELINE),))
    objects = [(file, one) for file in files for one in read_documents(file)]
    for file, one in objects:
        _require_known_kind(file, one)
    policies = [_policy(file, one) for file, one in objects if one["kind"] == "ImagePolicy"]
    if not policies:
        named = ", ".join(map(str, files))
        raise ArgumentError(f"no ImagePolicy in {named}; add one, or omit --policy to use the default")
    exceptions = tuple(_exception(file, one) for file, one in objects if one["kind"] in SPECS)
    trust = read_trust([one for _, one in objects], policies)
    labels = labels_of(objects)
    return ReadPolicies(policies=tuple(policies), exceptions=exceptions, trust=trust, labels=labels)


def _require_known_kind(file: Path, document: Mapping[str, Any]) -> None:
    """Raise ArgumentError for a kind of tidegate that is not known, or written in another case: it would have no effect."""
    kind = document["kind"]
    similar = next((one for one in _KINDS if one.lower() == kind.lower()), None)
    is_own = str(document.get("apiVersion")).partition("/")[0] == GROUP
    if kind not in _KINDS and (is_own or similar is not None):
        hint = f"did you mean {similar}?" if similar is not None else f"known are {', '.join(_KINDS)}"
        raise ArgumentError(f"{file}: tidegate does not know the kind {quoted(kind)}; {hint}")


def _exception(file: Path, document: dict[str, Any]) -> ImagePolicyException:
    found = compile_exception(document, document["kind"])
    if isinstance(found, BrokenException):
        problems = "\n  ".join(found.problems)
        raise ArgumentError(f"{file}: {document['kind']} {found.name} is invalid:\n  {problems}")
    return found


def _policy(file: Path, document: dict[str, Any]) -> ImagePolicy:
    policy = compile_policy(document)
    if isinstance(policy, BrokenPolicy):
        problems = "\n  ".join(policy.problems)
        raise ArgumentError(f"{file}: ImagePolicy {policy.name} is invalid:\n  {problems}")
    return policy


def read_documents(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the Kubernetes objects of a YAML file, standard input for ``-``."""
    yield from (one.value for one in objects_of(yaml_values(read_text(file), file), file))


def objects_of(documents: Iterable[YamlValue], file: object) -> Iterator[YamlValue]:
    """Yield the Kubernetes objects among the documents of a file, and those in lists.

    Raise ArgumentError for a document that is not an object, and for too many objects.
    """
    count = 0
    for document in documents:
        pending = deque([document])
        while pending:
            one = pending.popleft()
            if one.value is None:
                continue
            items = _items(one, file)
            count += 1
            # Also counted are lists, which aliases can nest without end, and what is in them.
            if count + len(pending) + len(items or ()) > MAX_DOCUMENTS:
                raise ArgumentError(f"{file} has more than {MAX_DOCUMENTS} objects")
            if items is None:
                yield one
            else:
                pending.extendleft(reversed(items))


def _items(document: YamlValue, file: object) -> Sequence[YamlValue] | None:
    """Return the items of a List, or None for any other object."""
    value = document.value
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ArgumentError(
            f"{file}:{document.line}: expected Kubernetes objects with a kind, got {type(value).__name__}"
        )
    items = document.items("items") if value["kind"].endswith("List") else None
    if value["kind"] != "List" or items is not None:
        return items
    if value.get("items") is not None:
        raise ArgumentError(
            f"{file}:{document.line}: items of a List: expected a list, got {type(value['items']).__name__}"
        )
    return ()
