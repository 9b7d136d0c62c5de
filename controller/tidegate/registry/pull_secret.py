"""Pull secrets: the file of a Secret of type kubernetes.io/dockerconfigjson, read when it is needed.

Read anew each time, since the kubelet renews the file when the Secret changes. What is read goes to the registry that the
file's entry names and to its token service, and into no text.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

MAX_FILE_BYTES = 1024 * 1024
"""What a Secret holds at most."""
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_API_PATHS = frozenset({"", "v1", "v2"})


def basic_credentials(file: str, host: str, repository: str, source: str) -> str:
    """Return the Authorization header for a repository, from the file's entry that names most of it.

    Raise AwsUnavailableError where there is none that can be used: a registry for which a secret is set is not asked
    without one.
    """
    entries = _entries(file, source)
    named = [(path, entry) for key, entry in entries.items() if (path := _path(key, host, repository)) is not None]
    if not named:
        raise _unusable(source, f"{file} has no entry for {host}")
    _, entry = max(named, key=lambda each: len(each[0]))
    user = _user(entry)
    if user is None:
        raise _unusable(source, f"the entry for {host} in {file} has neither auth nor username and password")
    return f"Basic {base64.b64encode(user).decode()}"


def _entries(file: str, source: str) -> dict[str, Any]:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        document = json.loads(content) if len(content) <= MAX_FILE_BYTES else None
    except (OSError, ValueError, RecursionError) as exc:
        raise _unusable(source, f"{file} cannot be read: {type(exc).__name__}") from None
    entries = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise _unusable(source, f"{file} is not a dockerconfigjson file: it has no object auths")
    return entries


def _path(key: str, host: str, repository: str) -> str | None:
    """Return how much of a repository's path an entry names, or None for an entry that is not for the repository."""
    entry_host, _, path = (key.partition("://")[2] or key).partition("/")
    entry_host, path = entry_host.lower().removesuffix(":443"), path.strip("/")
    if entry_host != host and not (entry_host in _DOCKER_HUB and host in _DOCKER_HUB):
        return None
    if path in _API_PATHS:
        return ""
    return path if f"{repository}/".startswith(f"{path}/") else None


def _user(entry: Any) -> bytes | None:
    """Return ``name:password``; an entry's own fields count before its ``auth``, as they do for the kubelet."""
    if not isinstance(entry, dict):
        return None
    name, password, auth = (entry.get(each) for each in ("username", "password", "auth"))
    if isinstance(name, str) and isinstance(password, str) and name and password:
        return f"{name}:{password}".encode()
    try:
        decoded = base64.b64decode(auth, validate=True) if isinstance(auth, str) else b""
    except (binascii.Error, ValueError):
        return None
    return decoded if b":" in decoded else None


def _unusable(source: str, problem: str) -> SourceUnavailableError:
    return SourceUnavailableError(Cause.CREDENTIALS, source, problem)
