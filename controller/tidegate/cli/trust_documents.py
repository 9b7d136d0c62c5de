"""TrustStores in files with their content, which is in themselves or in ConfigMaps in the files. Nothing is fetched here.

Trusted roots of TUF repositories and keys in AWS KMS are listed if a policy uses them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.cli.argument_files import ArgumentError
from tidegate.errors import PolicyError
from tidegate.policy.model import BrokenPolicy, ImagePolicy
from tidegate.policy.trust_problems import kms_keys_of, named_trust_stores
from tidegate.policy.trust_store_object import KIND, ConfigMapSource, StoreObject, TufRepository, read_trust_store
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore
from tidegate.trust.store_content import Content, broken_store, compile_store, config_map_content, inline_content


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustOfFiles:
    """The trust stores with content in the files, and what must be fetched: stores of TUF repositories, and keys by ARN."""

    stores: tuple[AnyTrustStore, ...] = ()
    to_fetch: tuple[StoreObject, ...] = ()
    keys: tuple[str, ...] = ()


def read_trust(
    objects: Sequence[Mapping[str, Any]], policies: Sequence[ImagePolicy | BrokenPolicy] = ()
) -> TrustOfFiles:
    """Return the trust stores of the objects, and the keys that policies name.

    Raise ArgumentError for an invalid or duplicate TrustStore.
    """
    maps = [one for one in objects if one.get("kind") == "ConfigMap"]
    found: dict[str, AnyTrustStore | StoreObject] = {}
    for document in objects:
        if document.get("kind") == KIND:
            store = _store(document, maps)
            if store.name in found:
                raise ArgumentError(f"the files contain TrustStore {store.name} twice; keep one")
            found[store.name] = store
    relied_on = named_trust_stores(policies)
    return TrustOfFiles(
        stores=tuple(one for one in found.values() if not isinstance(one, StoreObject)),
        to_fetch=tuple(one for name, one in found.items() if isinstance(one, StoreObject) and name in relied_on),
        keys=kms_keys_of(policies),
    )


def _store(document: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> AnyTrustStore | StoreObject:
    """Return a trust store with its content, or without it if a TUF repository has it."""
    found = read_trust_store(document)
    if isinstance(found, BrokenTrustStore):
        raise _unusable(found.name, found.problems)
    if isinstance(found.source, TufRepository):
        return found
    try:
        content = inline_content(found.source) or _from_config_map(found, maps)
    except PolicyError as error:
        raise _unusable(found.name, error.problems) from error
    if content is None:
        assert isinstance(found.source, ConfigMapSource)
        missing = f"its ConfigMap {_named(found.source)} is not in the files; add it"
        return broken_store(found, (missing,)).store
    compiled = compile_store(found, content).store
    if isinstance(compiled, BrokenTrustStore):
        raise _unusable(compiled.name, compiled.problems)
    return compiled


def _unusable(name: str, problems: Iterable[str]) -> ArgumentError:
    listed = "\n  ".join(problems)
    return ArgumentError(f"TrustStore {name} is invalid:\n  {listed}")


def _from_config_map(store: StoreObject, maps: Sequence[Mapping[str, Any]]) -> Content | None:
    source = store.source
    if not isinstance(source, ConfigMapSource):
        return None
    found = [one for one in maps if _is_meant(one, source)]
    if len(found) > 1:
        raise PolicyError((f"the files contain ConfigMap {_named(source)} {len(found)} times; keep one",))
    return config_map_content(found[0], source, f"ConfigMap {_named(source)}") if found else None


def _is_meant(config_map: Mapping[str, Any], source: ConfigMapSource) -> bool:
    """Tell whether a source names a ConfigMap. A namespace that one of them omits matches any."""
    metadata = config_map.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("name") != source.name:
        return False
    namespace = metadata.get("namespace")
    return None in {source.namespace, namespace} or namespace == source.namespace


def _named(source: ConfigMapSource) -> str:
    return source.name if source.namespace is None else f"{source.namespace}/{source.name}"
