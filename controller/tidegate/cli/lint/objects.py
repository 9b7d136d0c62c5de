"""Reads the objects of files for lint: valid objects as values, and the problems of invalid ones as findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.read import files_below
from tidegate.cli.documents import objects_of
from tidegate.cli.lint.problems import read_problem
from tidegate.cli.lint.rules import LintFinding, Rule
from tidegate.cli.namespace_labels import NamespaceLabels, labels_of
from tidegate.cli.trust_documents import read_trust
from tidegate.cli.yaml_files import YamlValue, read_text, yaml_values
from tidegate.policy.exception_object import SPECS, compile_exception
from tidegate.policy.exceptions import BrokenException, ImagePolicyException
from tidegate.policy.model import BrokenPolicy, ImagePolicy
from tidegate.policy.objects import GROUP
from tidegate.policy.parse import KIND as POLICY
from tidegate.policy.parse import compile_policy
from tidegate.policy.shape import nearest
from tidegate.policy.trust_store_object import KIND as TRUST_STORE
from tidegate.policy.trust_store_object import StoreObject, read_trust_store
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore, TrustStore
from tidegate.strict.quotation import printable
from tidegate.trust.store_content import broken_store
from tidegate.verdicts.shape import KIND as VERDICT

_KINDS: Final = (POLICY, *SPECS, TRUST_STORE)
_OTHERS: Final = (VERDICT,)
"""Kinds of the group that only tidegate writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an object is written."""

    file: Path
    value: YamlValue

    @property
    def label(self) -> str:
        """Return kind and name."""
        metadata = self.value.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return printable(f"{self.value.value['kind']}/{name if isinstance(name, str) else '?'}")

    def finding(self, rule: Rule, path: str, message: str, fix: str) -> LintFinding:
        """Return a finding at a field of the object."""
        return LintFinding(
            rule=rule,
            file=self.file,
            line=self.value.key_line_of(path),
            about=self.label,
            message=printable(message),
            fix=printable(fix),
        )


@dataclass(slots=True, kw_only=True)
class LintedObjects:
    """The valid objects of files with their sources, and the findings about the others."""

    policies: list[tuple[Source, ImagePolicy]] = field(default_factory=list)
    exceptions: list[tuple[Source, ImagePolicyException]] = field(default_factory=list)
    stores: dict[str, AnyTrustStore] = field(default_factory=dict)
    labels: NamespaceLabels = field(default_factory=dict)
    findings: list[LintFinding] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """The names of policies that cannot be read."""


def read_objects(paths: Sequence[Path]) -> LintedObjects:
    """Return the objects of files and of all YAML files of folders; raise ArgumentError if there is none to lint."""
    found = LintedObjects()
    sources = [one for path in paths for file in _files(path) for one in _sources(file)]
    linted = [one for one in sources if _is_linted(one.value.value)]
    if not linted:
        named = ", ".join(map(str, paths))
        raise ArgumentError(f"{named}: no object of {GROUP} to lint; name a file with ImagePolicy objects")
    seen: dict[tuple[str, object, object], Source] = {}
    for source in linted:
        _add_duplicate(found, source, seen)
        _read(found, source)
    _read_stores(found, sources)
    found.labels = labels_of((one.file, one.value.value) for one in sources)
    return found


def _files(path: Path) -> list[Path]:
    return files_below(path, f"{GROUP}/") if path.is_dir() else [path]


def _sources(file: Path) -> Iterator[Source]:
    return (Source(file=file, value=one) for one in objects_of(yaml_values(read_text(file), file), file))


def _is_linted(obj: dict[str, Any]) -> bool:
    """Tell whether an object is tidegate's, perhaps with a wrong group or kind."""
    version = obj.get("apiVersion")
    is_own_group = isinstance(version, str) and version.partition("/")[0] == GROUP
    return (is_own_group and obj["kind"] not in _OTHERS) or obj["kind"] in _KINDS


def _add_duplicate(found: LintedObjects, source: Source, seen: dict[tuple[str, object, object], Source]) -> None:
    metadata = source.value.value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not isinstance(namespace, str | None):
        return
    first = seen.setdefault((source.value.value["kind"], namespace, name), source)
    if first is not source:
        message = f"{source.label} is also in {first.file}:{first.value.line}, and the cluster keeps only the one that is applied last"
        found.findings.append(
            source.finding(Rule.DUPLICATE_OBJECT, "metadata.name", message, "remove or rename one of them")
        )


def _read(found: LintedObjects, source: Source) -> None:
    obj = source.value.value
    kind = obj["kind"]
    if kind == POLICY:
        policy = compile_policy(obj)
        if isinstance(policy, ImagePolicy):
            found.policies.append((source, policy))
        else:
            found.broken.add(policy.name)
            _add_problems(found, source, policy)
    elif kind in SPECS:
        exception = compile_exception(obj, kind)
        if isinstance(exception, ImagePolicyException):
            found.exceptions.append((source, exception))
        else:
            _add_problems(found, source, exception)
    elif kind == TRUST_STORE:
        store = read_trust_store(obj)
        if isinstance(store, BrokenTrustStore):
            found.stores[store.name] = store
            _add_problems(found, source, store)
    else:
        near = nearest(kind, _KINDS)
        fix = f"did you mean {near}?" if near else f"use one of {', '.join(_KINDS)}"
        message = f"there is no kind {kind} in {GROUP}"
        found.findings.append(source.finding(Rule.UNKNOWN_KIND, "kind", message, fix))


def _add_problems(
    found: LintedObjects, source: Source, broken: BrokenPolicy | BrokenException | BrokenTrustStore
) -> None:
    for problem in broken.problems:
        rule, path, message, fix = read_problem(problem, source.value.value)
        found.findings.append(source.finding(rule, path, message, fix))


def _read_stores(found: LintedObjects, sources: Sequence[Source]) -> None:
    """Read the trust stores with their content; the first problem of one is a finding."""
    config_maps = [one.value.value for one in sources if one.value.value["kind"] == "ConfigMap"]
    for source in (one for one in sources if one.value.value["kind"] == TRUST_STORE):
        store = read_trust_store(source.value.value)
        if store.name in found.stores or isinstance(store, BrokenTrustStore):
            continue
        try:
            trust = read_trust([source.value.value, *config_maps])
        except ArgumentError as problem:
            text = " ".join(str(problem).split())
            found.findings.append(
                source.finding(Rule.INVALID_VALUE, "spec", text, "correct the content of the trust store")
            )
            found.stores[store.name] = broken_store(store, (text,)).store
            continue
        found.stores[store.name] = next(
            (one for one in trust.stores if isinstance(one, TrustStore)), _without_content(store)
        )


def _without_content(store: StoreObject) -> TrustStore:
    """Return a trust store without its content, which is in a TUF repository, or in a ConfigMap that no file has."""
    return TrustStore(name=store.name, uid=store.uid, generation=store.generation, type=store.type)
