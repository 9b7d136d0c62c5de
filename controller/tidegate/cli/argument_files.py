"""Files and folders that a person names on the command line, read within bounds and never past a link.

What the person names is followed wherever it leads. Below a named folder nothing is: no symbolic link, no device, no pipe,
no name with a slash in it, so that a folder from elsewhere cannot make this machine read another of its files.
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
"""Entries of one folder that are listed."""


class ArgumentError(Error):
    """What was given on the command line cannot be used; the text says which part and what to do."""


class AbsentFileError(ArgumentError):
    """There is no such file or folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """One entry of a folder; ``regular`` tells a file proper from links, folders and everything else."""

    name: str
    regular: bool


def read_file(path: Path, *, maximum: int) -> bytes:
    """Return the content of a file that was named; raise ArgumentError when it cannot be read or is too large."""
    content = read_at_most(path, maximum + 1)
    if len(content) > maximum:
        raise ArgumentError(f"{path}: larger than {maximum} bytes")
    return content


def read_at_most(path: Path, count: int) -> bytes:
    """Return the first bytes of a file that was named: for evidence, of which too much is a verdict and no mistake."""
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as problem:
        raise ArgumentError(f"{path}: cannot be read: {_words(problem)}") from problem


def read_below(folder: Path, *parts: str, count: int) -> bytes:
    """Return the first bytes of the regular file at that place below a folder.

    Raise AbsentFileError where there is none, ArgumentError for what is no regular file or stands behind a link.
    """
    with _opened(folder, parts) as descriptor:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(folder, parts, "not a regular file (links, folders and special files are not read)")
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(count)


def list_below(folder: Path, *parts: str) -> list[FolderEntry]:
    """Return the entries of the folder at that place below a folder, in order of their names; raise as ``read_below``."""
    with _opened(folder, parts) as descriptor:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise _refused(folder, parts, "not a folder (links are not followed)")
        with os.scandir(descriptor) as entries:
            found = [
                FolderEntry(name=entry.name, regular=entry.is_file(follow_symlinks=False))
                for _, entry in zip(range(MAX_FOLDER_ENTRIES + 1), entries, strict=False)
            ]
    if len(found) > MAX_FOLDER_ENTRIES:
        raise _refused(folder, parts, f"more than {MAX_FOLDER_ENTRIES} entries")
    return sorted(found, key=lambda entry: entry.name)


@contextmanager
def _opened(folder: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Open what stands there, name by name, so that nothing can be put in the way in between."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    with ExitStack() as opened:
        try:
            descriptor = os.open(folder, flags | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            for part in parts:
                if part in {"", ".", ".."} or "/" in part or "\0" in part:
                    raise _refused(folder, parts, "not a plain file name")
                # Without O_NONBLOCK a pipe would be waited for.
                descriptor = os.open(part, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
                opened.callback(os.close, descriptor)
        except FileNotFoundError as problem:
            raise AbsentFileError(f"{folder.joinpath(*parts)}: does not exist") from problem
        except OSError as problem:
            raise _refused(folder, parts, _open_problem(problem)) from problem
        yield descriptor


def _open_problem(problem: OSError) -> str:
    if problem.errno == errno.ELOOP:
        return "a symbolic link; links are not followed"
    return f"cannot be read: {_words(problem)}"


def _refused(folder: Path, parts: tuple[str, ...], problem: str) -> ArgumentError:
    return ArgumentError(f"{folder.joinpath(*parts)}: {problem}")


def _words(problem: OSError) -> str:
    return (problem.strerror or type(problem).__name__).lower()
