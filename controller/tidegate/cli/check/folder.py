"""The files of a folder that ``check`` reads: YAML and JSON files of it and of its subfolders, but not of hidden ones.

It lists what it leaves out, with the reason. It does not follow links.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from tidegate.cli.argument_files import ArgumentError, FolderEntry, list_below

MAX_FILES: Final = 10_000
"""Files of one folder and its subfolders."""
MAX_FOLDERS: Final = 10_000
MAX_LEVELS: Final = 32
"""Levels of subfolders."""
_EXTENSIONS: Final = (".yaml", ".yml", ".json")
_RENDERED: Final = {
    "Chart.yaml": "the folder is a Helm chart. To fix: run helm template {folder} | tidegate check -f -",
    **dict.fromkeys(
        ("kustomization.yaml", "kustomization.yml", "Kustomization"),
        "the folder is a kustomization, which changes images. "
        "To fix: run kubectl kustomize {folder} | tidegate check -f -",
    ),
}
"""Files of a folder that is rendered before it is applied: the cluster gets other objects than its files have."""

Parts = tuple[str, ...]
"""The names in the path from a folder to a file."""


@dataclass(slots=True, kw_only=True)
class FolderFiles:
    """The files to read, entries that have to be judged in another way with the reason, and what ``exclude`` left out."""

    files: list[Parts] = field(default_factory=list)
    not_judged: list[tuple[Parts, str]] = field(default_factory=list)
    hidden: list[Parts] = field(default_factory=list)
    excluded: int = 0


def list_folder(folder: Path, exclude: Sequence[str]) -> FolderFiles:
    """Return the files of a folder; ``exclude`` are patterns of names and of paths in the folder.

    Raise ArgumentError for too many files or folders.
    """
    found = FolderFiles()
    pending: list[Parts] = [()]
    count = 0
    while pending:
        parts = pending.pop()
        count += 1
        entries = list_below(folder, *parts)
        kept = [one for one in entries if not _is_excluded((*parts, one.name), exclude)]
        found.excluded += len(entries) - len(kept)
        rendered = next((one.name for one in kept if one.name in _RENDERED and not one.folder), None)
        if rendered is not None:
            why = _RENDERED[rendered].format(folder=folder.joinpath(*parts))
            found.not_judged.append(((*parts, rendered), why))
            continue
        pending += reversed([place for one in kept if (place := _add(found, folder, parts, one))])
        if len(found.files) > MAX_FILES or count > MAX_FOLDERS or len(parts) >= MAX_LEVELS:
            raise ArgumentError(
                f"{folder}: more than {MAX_FILES:,} files, {MAX_FOLDERS:,} folders or {MAX_LEVELS} levels. "
                "To fix: name its subfolders"
            )
    return found


def _is_excluded(parts: Parts, exclude: Sequence[str]) -> bool:
    path = "/".join(parts)
    return any(fnmatchcase(path, one) or fnmatchcase(parts[-1], one) for one in exclude)


def _add(found: FolderFiles, folder: Path, parts: Parts, entry: FolderEntry) -> Parts | None:
    """Note an entry; return its path if it is a folder to list."""
    place = (*parts, entry.name)
    has_extension = entry.name.lower().endswith(_EXTENSIONS)
    if entry.folder and not entry.name.startswith("."):
        return place
    if entry.folder:
        found.hidden.append(place)
    elif entry.regular and has_extension:
        found.files.append(place)
    elif not entry.regular and (has_extension or folder.joinpath(*place).is_dir()):
        why = "tidegate does not follow links. To fix: name the target with -f, and leave the link out with --exclude"
        found.not_judged.append((place, why))
    return None
