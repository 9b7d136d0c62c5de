"""The real ``notation`` and ``cosign``, each with a home of its own: nobody's keys, configuration or caches are touched.

Whatever they would ask on other machines fails at once: a proxy that nothing listens on stands before everything but
loopback. So what passes here passes without a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.simulator.pki.certificates import Identity

TIMEOUT_SECONDS = 60
NOBODY = "http://127.0.0.1:9"
"""The port of the discard service, which nothing here offers."""


class ProgramError(AssertionError):
    """A program failed where it should not have; the text is what it said."""


class Program:
    """One program and its home."""

    def __init__(self, path: Path, home: Path, **environment: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "HTTP_PROXY": NOBODY,
            "HTTPS_PROXY": NOBODY,
            "NO_PROXY": "127.0.0.1,localhost",
            **environment,
        }

    def attempt(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it and return what came of it."""
        command = [str(self.path), *map(str, arguments)]
        return subprocess.run(
            command,
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def run(self, *arguments: str | Path) -> str:
        """Run it and return its standard output; raise ProgramError when it fails."""
        done = self.attempt(*arguments)
        if done.returncode != 0:
            raise ProgramError(f"{self.path.name} {' '.join(map(str, arguments))}: {done.stderr}{done.stdout}")
        return done.stdout

    def refusal(self, *arguments: str | Path) -> str:
        """Run it and return what it complained of; raise ProgramError when it does not fail."""
        done = self.attempt(*arguments)
        if done.returncode == 0:
            raise ProgramError(f"{self.path.name} {' '.join(map(str, arguments))} did not fail: {done.stdout}")
        return done.stderr + done.stdout


class Notation(Program):
    """notation with local key files, trust stores and a trust policy, all in its home."""

    def __init__(self, path: Path, home: Path) -> None:
        super().__init__(
            path,
            home,
            NOTATION_CONFIG=str(home / "notation"),
            NOTATION_CACHE=str(home / "notation-cache"),
            NOTATION_EXPERIMENTAL="1",
        )
        self.config = home / "notation"
        self._keys: list[dict[str, str]] = []

    def add_key(self, name: str, identity: Identity) -> None:
        """Make the identity a signing key; its whole chain goes into signatures."""
        folder = self.config / "localkeys"
        folder.mkdir(parents=True, exist_ok=True)
        key, certificates = folder / f"{name}.key", folder / f"{name}.crt"
        key.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificates.write_bytes(b"".join(one.pem for one in identity.chain))
        self._keys.append({"name": name, "keyPath": str(key), "certPath": str(certificates)})
        (self.config / "signingkeys.json").write_text(json.dumps({"default": name, "keys": self._keys}))

    def trust(self, store: str, *roots: Identity) -> None:
        """Fill the trust store ``kind:name``."""
        folder = self.config / "truststore" / "x509" / store.replace(":", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for number, root in enumerate(roots):
            (folder / f"{number}.pem").write_bytes(root.pem)

    def forget_revocations(self) -> None:
        """Drop the CRLs that notation keeps."""
        shutil.rmtree(self.home / "notation-cache", ignore_errors=True)

    def requirement(
        self,
        scope: str,
        *,
        stores: Sequence[str] = ("ca:acme",),
        identities: Sequence[str] = ("*",),
        **verification: Any,
    ) -> None:
        """Write a trust policy of one strict statement."""
        statement = {
            "name": "interop",
            "registryScopes": [scope],
            "signatureVerification": {"level": "strict"} | verification,
            "trustStores": list(stores),
            "trustedIdentities": list(identities),
        }
        self.config.mkdir(exist_ok=True)
        (self.config / "trustpolicy.json").write_text(json.dumps({"version": "1.0", "trustPolicies": [statement]}))


class Cosign(Program):
    """cosign; its keys have an empty password, and it knows no instance but those that tests name."""

    def __init__(self, path: Path, home: Path, **environment: str) -> None:
        super().__init__(
            path, home, COSIGN_PASSWORD="", TUF_ROOT=str(home / "tuf"), SIGSTORE_NO_CACHE="true", **environment
        )

    def make_key(self, name: str) -> Path:
        """Make a key pair and return the private key's path; the public one's ends in ``.pub``."""
        self.run("generate-key-pair", "--output-key-prefix", name)
        return self.home / f"{name}.key"
