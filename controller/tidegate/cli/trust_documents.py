"""TrustStores in files, beside the policies that name them: with what they hold themselves, and nothing fetched.

A ConfigMap counts where it stands in the files too. What is elsewhere, in AWS KMS or a TUF repository, can't be had here:
authorities that rely on it are undecided, with a sentence that says what to write into the files.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tidegate.errors import Error, PolicyError
from tidegate.kube.config_map_content import config_map_content
from tidegate.kube.trust_content import Content, broken_store, compile_store, inline_content
from tidegate.policy.model import BrokenPolicy, ImagePolicy
from tidegate.policy.trust_problems import kms_keys_of
from tidegate.policy.trust_store_object import KIND, ConfigMapSource, StoreObject, read_trust_store
from tidegate.policy.trust_stores import AnyTrustStore, BrokenTrustStore, TrustSnapshot

KEY_IN_KMS = "keys in AWS KMS are not read here; write the key itself as pem"
ROOT_BY_TUF = "TUF repositories are not read here; write the file itself as trustedRoot"


class TrustDocumentError(Error):
    """A TrustStore in a file cannot be used."""


def read_trust(
    documents: Iterable[Mapping[str, Any]], policies: Sequence[ImagePolicy | BrokenPolicy] = ()
) -> TrustSnapshot:
    """Return the trust of all TrustStores among the objects, and of the keys that policies name.

    Raise TrustDocumentError for a TrustStore that is wrong, or there twice.
    """
    objects = list(documents)
    maps = [one for one in objects if one.get("kind") == "ConfigMap"]
    stores: dict[str, AnyTrustStore] = {}
    for document in objects:
        if document.get("kind") == KIND:
            store = _store(document, maps)
            if store.name in stores:
                raise TrustDocumentError(f"TrustStore {store.name} is in the files twice; keep one")
            stores[store.name] = store
    return TrustSnapshot.of(stores.values(), dict.fromkeys(kms_keys_of(policies), KEY_IN_KMS))


def _store(document: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> AnyTrustStore:
    found = read_trust_store(document)
    if isinstance(found, BrokenTrustStore):
        raise _unusable(found.name, found.problems)
    try:
        content = inline_content(found.source) or _from_config_map(found, maps)
    except PolicyError as error:
        raise _unusable(found.name, error.problems) from error
    if content is None:
        return broken_store(found, (_elsewhere(found),)).store
    compiled = compile_store(found, content).store
    if isinstance(compiled, BrokenTrustStore):
        raise _unusable(compiled.name, compiled.problems)
    return compiled


def _unusable(name: str, problems: Iterable[str]) -> TrustDocumentError:
    listed = "\n  ".join(problems)
    return TrustDocumentError(f"TrustStore {name} cannot be used:\n  {listed}")


def _elsewhere(store: StoreObject) -> str:
    """Return what to do about content that is not in the files."""
    source = store.source
    if isinstance(source, ConfigMapSource):
        return f"its ConfigMap {_named(source)} is not in the files; add it"
    return ROOT_BY_TUF


def _from_config_map(store: StoreObject, maps: Sequence[Mapping[str, Any]]) -> Content | None:
    source = store.source
    if not isinstance(source, ConfigMapSource):
        return None
    found = [one for one in maps if _is_meant(one, source)]
    if len(found) > 1:
        raise PolicyError((f"ConfigMap {_named(source)} is in the files {len(found)} times; keep one",))
    return config_map_content(found[0], source, f"ConfigMap {_named(source)}") if found else None


def _is_meant(config_map: Mapping[str, Any], source: ConfigMapSource) -> bool:
    """Tell whether a source means a ConfigMap. A namespace that either of them leaves out is whatever the other says."""
    metadata = config_map.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    namespace = metadata.get("namespace")
    return metadata.get("name") == source.name and (
        None in {source.namespace, namespace} or namespace == source.namespace
    )


def _named(source: ConfigMapSource) -> str:
    return source.name if source.namespace is None else f"{source.namespace}/{source.name}"
