"""Reads the files and folders of command line arguments, within bounds.

An argument itself may be a symbolic link. Below a folder that an argument names, links, devices, pipes and names with a
slash are refused, so that a folder from somebody else cannot make tidegate read other files of this machine.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import Error

MAX_FOLDER_ENTRIES = 10_000
"""Entries of one folder."""


class ArgumentError(Error):
    """An argument is invalid; the text says which one, and the fix."""


class AbsentFileError(ArgumentError):
    """A file or folder does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """One entry of a folder: a regular file, a folder, or neither of them, such as a link."""

    name: str
    regular: bool
    folder: bool


def read_file(path: Path, *, maximum: int) -> bytes:
    """Return the content of an argument's file; raise ArgumentError if it cannot be read or is too large."""
    content = read_at_most(path, maximum + 1)
    if len(content) > maximum:
        raise ArgumentError(f"{path}: larger than {maximum} bytes")
    return content


def read_at_most(path: Path, count: int) -> bytes:
    """Return the first bytes of an argument's file, for evidence whose excess size is a result and not an input error."""
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as problem:
        raise ArgumentError(f"{path}: cannot be read: {_words(problem)}") from problem


def read_below(folder: Path, *parts: str, count: int) -> bytes:
    """Return the first bytes of a regular file below a folder.

    Raise AbsentFileError if it does not exist, ArgumentError if it is not a regular file or is behind a link.
    """
    with _opened(folder, parts) as descriptor:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(folder, parts, "not a regular file (links, folders and special files are not read)")
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(count)


def list_below(folder: Path, *parts: str) -> list[FolderEntry]:
    """Return the entries of a folder below a folder, sorted by name; raise like ``read_below``."""
    with _opened(folder, parts) as descriptor:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise _refused(folder, parts, "not a folder (links are not followed)")
        with os.scandir(descriptor) as entries:
            found = [
                FolderEntry(
                    name=entry.name,
                    regular=entry.is_file(follow_symlinks=False),
                    folder=entry.is_dir(follow_symlinks=False),
                )
                for _, entry in zip(range(MAX_FOLDER_ENTRIES + 1), entries, strict=False)
            ]
    if len(found) > MAX_FOLDER_ENTRIES:
        raise _refused(folder, parts, f"more than {MAX_FOLDER_ENTRIES} entries")
    return sorted(found, key=lambda entry: entry.name)


@contextmanager
def _opened(folder: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Open the path name by name, so that no part of it can be replaced meanwhile."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    with ExitStack() as opened:
        try:
            descriptor = os.open(folder, flags | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            for part in parts:
                if part in {"", ".", ".."} or "/" in part or "\0" in part:
                    raise _refused(folder, parts, "not a plain file name")
                # Without O_NONBLOCK, opening a pipe would block.
                descriptor = os.open(part, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
                opened.callback(os.close, descriptor)
            yield descriptor
        except FileNotFoundError as problem:
            raise AbsentFileError(f"{folder.joinpath(*parts)}: does not exist") from problem
        except OSError as problem:
            is_link = problem.errno == errno.ELOOP
            text = "a symbolic link; links are not followed" if is_link else f"cannot be read: {_words(problem)}"
            raise _refused(folder, parts, text) from problem


def _refused(folder: Path, parts: tuple[str, ...], problem: str) -> ArgumentError:
    return ArgumentError(f"{folder.joinpath(*parts)}: {problem}")


def _words(problem: OSError) -> str:
    return (problem.strerror or type(problem).__name__).lower()
