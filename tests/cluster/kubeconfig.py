"""Kubeconfig files that carry everything inline, so that one file can be handed to any client.

Written as JSON, which every YAML reader takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.certificates import KeyPair, write_private

NAME = "tidegate-test"


def certificate_user(pair: KeyPair) -> dict[str, str]:
    """Return the user entry of someone who shows a client certificate."""
    return {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }


def token_user(token: str) -> dict[str, str]:
    """Return the user entry of someone who shows a bearer token."""
    return {"token": token}


def write_kubeconfig(
    path: Path, *, server: str, authority: bytes, user: Mapping[str, str], namespace: str = "default"
) -> Path:
    """Write a kubeconfig with one cluster, one user and one context, and return its path."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": dict(user)}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": namespace}}],
        "current-context": NAME,
    }
    write_private(path, json.dumps(content, indent=2).encode())
    return path
