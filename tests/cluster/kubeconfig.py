"""Kubeconfig files that carry everything inline, so that one file can be handed to any client.

Written as JSON, which every YAML reader takes.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
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


def client_tls(path: Path) -> tuple[str, ssl.SSLContext]:
    """Return host and port of the API server, and how the kubeconfig's user connects: with a certificate unless it has a token."""
    content = json.loads(path.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    if "token" not in user:
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
    return cluster["server"].removeprefix("https://"), context
