"""Reads Notation's trust store folder: ``x509/<type>/<name>/`` with certificate files, and nothing else."""

from collections.abc import Iterable
from pathlib import Path

from tidegate.cli.argument_files import AbsentFileError, ArgumentError, list_below, read_below
from tidegate.errors import PolicyError
from tidegate.verify.notation.trust_store.store import (
    MAX_FILE_BYTES,
    MAX_STORE_FILES,
    CertificateStore,
    CertificateStores,
    StoreFile,
    StoreKind,
    StoreName,
    build_certificate_store,
    certificate_stores,
    is_store_name,
)

X509 = "x509"


def read_trust_stores(folder: Path, names: Iterable[StoreName]) -> CertificateStores:
    """Return the named stores that exist; raise ArgumentError for an invalid one.

    The step of the verification that needs a missing store reports it.
    """
    _check_layout(folder)
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(_read_store(folder, name))
        except AbsentFileError:
            continue
    return certificate_stores(found)


def store_names(folder: Path) -> tuple[StoreName, ...]:
    """Return the names of all stores in the folder."""
    _check_layout(folder)
    found = []
    for kind in StoreKind:
        try:
            entries = list_below(folder, X509, kind.value)
        except AbsentFileError:
            continue
        found += [StoreName(kind, entry.name) for entry in entries if not entry.regular and is_store_name(entry.name)]
    return tuple(found)


def _check_layout(folder: Path) -> None:
    try:
        list_below(folder, X509)
    except AbsentFileError as error:
        raise ArgumentError(
            f"{folder}: has no folder x509; expected Notation's trust store directory,"
            " x509/<ca|signingAuthority|tsa>/<name>/ with certificate files"
        ) from error


def _read_store(folder: Path, name: StoreName) -> CertificateStore:
    place = (X509, name.kind.value, name.name)
    try:
        entries = list_below(folder, *place)
    except AbsentFileError:
        raise
    except ArgumentError as error:
        # N13
        raise ArgumentError(
            f"{error}; a trust store must be a regular directory (symlinks are not supported)"
        ) from error
    files = [
        StoreFile(
            name=entry.name,
            content=read_below(folder, *place, entry.name, count=MAX_FILE_BYTES + 1) if entry.regular else None,
        )
        for entry in entries[: MAX_STORE_FILES + 1]
    ]
    try:
        return build_certificate_store(name, files)
    except PolicyError as error:
        where = folder.joinpath(*place)
        raise ArgumentError("\n".join(f"{where}: {problem}" for problem in error.problems)) from error
