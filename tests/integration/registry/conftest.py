"""Registries over TLS on loopback, and the edge that asks them by names that only these tests resolve."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.egress.peer import Peer
from tests.integration.gather.conftest import impatient, start, world
from tests.simulator.manifests import Manifest, image
from tests.simulator.oci_registry import OciRegistry
from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.tls import server_context
from tidegate.images.digest import digest_of
from tidegate.images.repository import OciRegistry as Registry
from tidegate.images.repository import OciRepository
from tidegate.registry.access import RegistryAccess
from tidegate.registry.registries import OciRegistries

__all__ = ["impatient", "start", "world"]

APP = image("app")
NAMES = ("registry.test", "cdn.test", "auth.test", "127.0.0.1")


@dataclass
class Names:
    """A resolver that knows the names of these tests, and remembers what it was asked."""

    addresses: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "127.0.0.1"))
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.addresses:
            raise OSError(f"nobody knows {host}")
        return [self.addresses[host]]


@dataclass
class Calls:
    """A gate that remembers what passed, and what became of it."""

    made: list[tuple[str, Any]] = field(default_factory=list)

    def enter(self, source: str, registry: Any) -> None:
        pass

    def leave(self, source: str, registry: Any, *, seconds: float, cause: Any, found: bool = True) -> None:
        self.made.append((source, cause))


@dataclass(kw_only=True)
class Edge:
    """The edge under test, its resolver, its sleeps and its calls."""

    registries: OciRegistries
    names: Names
    slept: list[float]
    calls: Calls


@pytest.fixture(scope="session")
def authority() -> Identity:
    return issue("Registry CA", ca=True)


@pytest.fixture
def ca_file(authority: Identity, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.root.pem)
    return str(file)


@pytest.fixture
def serve(authority: Identity, tmp_path: Path) -> Iterator[Callable[..., OciRegistry]]:
    """Start a registry; it is registry.test at its port."""
    started: list[OciRegistry] = []

    def make(**options: Any) -> OciRegistry:
        registry = OciRegistry(tls=server_context(authority, *NAMES, folder=tmp_path), **options)
        registry.__enter__()
        started.append(registry)
        registry.realm = registry.realm or f"https://{place(registry)}/token"
        return registry

    yield make
    for each in started:
        each.__exit__(None, None, None)


@pytest.fixture(params=[True, False], ids=["referrers API", "referrers tag"])
def registry(serve: Callable[..., OciRegistry], request: pytest.FixtureRequest) -> OciRegistry:
    """Give a registry with an image, with and without the referrers API."""
    registry = serve(referrers_api=request.param)
    registry.add("team/app", APP, "v1")
    return registry


@pytest.fixture
def with_api(serve: Callable[..., OciRegistry]) -> OciRegistry:
    """Give a registry with an image and the referrers API."""
    registry = serve()
    registry.add("team/app", APP, "v1")
    return registry


@pytest.fixture
def peer(authority: Identity, tmp_path: Path) -> Iterator[Peer]:
    """Another server over TLS: a token service, storage, or somebody who should not be asked."""
    with Peer(tls=server_context(authority, *NAMES, folder=tmp_path)) as peer:
        yield peer


@pytest.fixture
def connect(ca_file: str) -> Iterator[Callable[..., Edge]]:
    """Make an edge that may ask a registry of these tests, with further settings for it."""
    made: list[OciRegistries] = []

    def make(registry: OciRegistry, **more: Any) -> Edge:
        options: dict[str, Any] = {"ca_file": ca_file, "private_addresses": True} | more
        access = RegistryAccess(host=f"registry.test:{registry.port}", **options)
        names, slept, calls = Names(), list[float](), Calls()
        made.append(OciRegistries([access], look_up=names, sleep=slept.append, gate=calls))
        return Edge(registries=made[-1], names=names, slept=slept, calls=calls)

    yield make
    for each in made:
        each.close()


@pytest.fixture
def pull_secret(tmp_path: Path) -> Callable[..., str]:
    """Write a file of a pull secret with one user for hosts."""

    def write(*hosts: str, user: str = "ann", password: str = "secret") -> str:
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"auths": {host: {"auth": auth} for host in hosts}}))
        return str(file)

    return write


def place(registry: OciRegistry) -> str:
    return f"registry.test:{registry.port}"


def repository(registry: OciRegistry, name: str = "team/app") -> OciRepository:
    return OciRepository(Registry(place(registry)), name)


def large_image(number: int) -> Manifest:
    """Return an image whose manifest is padded to a MiB, as JSON allows."""
    return enlarged(image(f"large {number}"), 1024 * 1024)


def enlarged(small: Manifest, more: int = 70_000) -> Manifest:
    """Pad a manifest with so many bytes, as JSON allows."""
    data = small.data + b" " * more
    return replace(small, data=data, size=len(data), digest=digest_of(data))
