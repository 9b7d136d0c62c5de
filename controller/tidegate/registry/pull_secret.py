"""Pull secrets: the mounted file of a Secret of type kubernetes.io/dockerconfigjson.

It is read for each use, since the kubelet renews it when the Secret changes. Credentials go only to the registry of the
entry and its token service, and into no message.
"""

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

MAX_FILE_BYTES = 1024 * 1024
"""The size limit of a Secret."""
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_API_PATHS = frozenset({"", "v1", "v2"})


def basic_credentials(file: str, host: str, repository: str, source: str) -> str:
    """Return the Authorization header for a repository, from the entry with the longest matching path.

    Raise SourceUnavailableError if there is no usable entry: a registry with a pull secret is not accessed without it.
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
    """Return the path of an entry that applies to the repository, else None."""
    entry_host, _, path = (key.partition("://")[2] or key).partition("/")
    entry_host, path = entry_host.lower().removesuffix(":443"), path.strip("/")
    if entry_host != host and not (entry_host in _DOCKER_HUB and host in _DOCKER_HUB):
        return None
    if path in _API_PATHS:
        return ""
    return path if f"{repository}/".startswith(f"{path}/") else None


def _user(entry: Any) -> bytes | None:
    """Return ``name:password``; as for the kubelet, an entry's own fields take precedence over its ``auth``."""
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
