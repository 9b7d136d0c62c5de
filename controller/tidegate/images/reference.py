"""Image references, parsed as the container runtime parses them.

The grammar is that of the distribution project's reference package (v0.6.0), which the kubelet and containerd use.
Nothing is looked up here. Which registries are allowed is up to the policies.

Stricter than the runtime on purpose, and each is refused, never reinterpreted:

- digests other than sha256, because Amazon ECR stores no other;
- texts of more than 1,024 characters;
- hosts with an underscore: that grammar reads the host as part of the path, while the runtime connects to it;
- Amazon ECR hosts with another port than 443, and repository names that Amazon ECR cannot hold.

Hosts are lower-cased, since DNS does not tell cases apart.
"""

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from tidegate.errors import InvalidReferenceError
from tidegate.images.digest import Digest, parse_digest
from tidegate.images.repository import (
    EcrRegistry,
    EcrRepository,
    OciRegistry,
    OciRepository,
    Repository,
    parse_ecr_host,
)

MAX_REFERENCE_LENGTH = 1024
"""Characters of a reference; the longest host, path, tag and digest have about 800 together."""
MAX_PATH_LENGTH = 255
"""Characters of a repository's path, without the host, with ``library/`` where it is implied."""
MIN_ECR_NAME_LENGTH = 2
"""Characters of the shortest repository name that Amazon ECR holds."""
REMEMBERED_REFERENCES = 2048
"""Parsed references that are kept, 1 to 4 KB each."""
REMEMBERED_REPOSITORIES = 8192
"""Repositories that are kept, half a KB each."""

_DEFAULT_DOMAIN = "docker.io"
_LEGACY_DEFAULT_DOMAIN = "index.docker.io"
_OFFICIAL_PREFIX = "library/"
_DEFAULT_TAG = "latest"
_HTTPS_PORT = "443"
_QUOTED = 96

# Possessive quantifiers never give back what they took, so that matching always takes linear time.
_LABEL = r"[a-zA-Z0-9]++(?:-++[a-zA-Z0-9]++)*+"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*+|\[[a-fA-F0-9:]++\])(?::[0-9]++)?+", re.ASCII)
_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?+|-++)[a-z0-9]++)*+"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*+"
_REMAINDER = re.compile(
    rf"(?P<path>{_PATH})(?::(?P<tag>\w[\w.\-]{{0,127}}+))?+(?:@(?P<digest>[^@]++))?+",
    re.ASCII,
)
_PATH_ALONE = re.compile(_PATH, re.ASCII)
_TAG_ALONE = re.compile(r"\w[\w.\-]{0,127}", re.ASCII)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_DIGEST = re.compile(
    r"(?P<algorithm>[A-Za-z][A-Za-z0-9]*+(?:[-_+.][A-Za-z][A-Za-z0-9]*+)*+):[0-9a-fA-F]{32,}+", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """One parsed reference.

    ``domain`` is the registry host with its port, lower-cased; ``path`` the repository inside it;
    ``tag`` is ``latest`` where neither tag nor digest was given; with both, the digest decides what runs.
    ``ecr`` is the repository's identity when the domain is Amazon ECR, else None.
    """

    text: str
    domain: str
    path: str
    tag: str | None
    digest: Digest | None
    ecr: EcrRepository | None

    @property
    def repository(self) -> Repository:
        """Return the repository's identity, in Amazon ECR or elsewhere."""
        return self.ecr or OciRepository(OciRegistry(self.domain), self.path)

    def __str__(self) -> str:
        """Return the reference as it was written."""
        return self.text


@lru_cache(maxsize=REMEMBERED_REFERENCES)
def _parse(text: str) -> ImageReference:
    """Follow the runtime: host split off, Docker Hub's short forms completed, the rest matched as a whole."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReferenceError(f"{quoted(text)} is an image id (64 hexadecimal digits), not a repository name")
    domain, remainder = _split(text)
    found = _REMAINDER.fullmatch(remainder)
    if found is None or _DOMAIN.fullmatch(domain) is None:
        _explain(text, domain, remainder)
    path, tag, digest_text = found["path"], found["tag"], found["digest"]
    if len(path) > MAX_PATH_LENGTH:
        raise InvalidReferenceError(
            f"{quoted(text)} has a repository name of {len(path)} characters, more than {MAX_PATH_LENGTH}"
        )
    digest = None if digest_text is None else _sha256(text, digest_text)
    if tag is None and digest is None:
        tag = _DEFAULT_TAG
    # Tens of thousands of references are remembered, of a few registries and repositories: texts are kept once.
    domain = sys.intern(domain.lower())
    repository = _ecr_repository(text, domain, path)
    return ImageReference(
        text=text,
        domain=domain,
        path=path if repository is None else repository.name,
        tag=tag,
        digest=digest,
        ecr=repository,
    )


def parse_reference(text: str) -> ImageReference:
    """Return the parsed reference; raise InvalidReferenceError for what a container runtime would refuse.

    Source: ``ParseDockerRef`` of github.com/distribution/reference v0.6.0. With tag and digest both are returned.
    """
    if len(text) > MAX_REFERENCE_LENGTH:
        raise InvalidReferenceError(
            f"an image reference of {len(text)} characters, more than {MAX_REFERENCE_LENGTH}: {quoted(text)}"
        )
    return _parse(text)


def quoted(text: str) -> str:
    """Return the text in quotes, cut, and with all but printable ASCII escaped, so that no terminal interprets it."""
    return ascii(text if len(text) <= _QUOTED else text[:_QUOTED] + "...")


def _split(text: str) -> tuple[str, str]:
    """Return host and remainder. A first part is a host if it has a dot, a colon, upper case, or is localhost."""
    first, slash, rest = text.partition("/")
    if not slash:
        return _DEFAULT_DOMAIN, _OFFICIAL_PREFIX + text
    if first == _LEGACY_DEFAULT_DOMAIN:
        first = _DEFAULT_DOMAIN
    elif first != "localhost" and "." not in first and ":" not in first and first.lower() == first:
        return _DEFAULT_DOMAIN, text
    if first == _DEFAULT_DOMAIN and "/" not in rest:
        return first, _OFFICIAL_PREFIX + rest
    return first, rest


def _sha256(text: str, digest_text: str) -> Digest:
    """Return the digest; refuse other algorithms with their own message, since the runtime may support them."""
    digest = parse_digest(digest_text)
    if digest is not None:
        return digest
    found = _DIGEST.fullmatch(digest_text)
    if found is not None and found["algorithm"].lower() != "sha256":
        raise InvalidReferenceError(
            f"{quoted(text)} has a digest of algorithm {quoted(found['algorithm'])}; only sha256 is supported"
        )
    raise InvalidReferenceError(f"{quoted(text)} has no valid digest after '@': expected sha256: and 64 of 0-9 a-f")


def _ecr_repository(text: str, domain: str, path: str) -> EcrRepository | None:
    """Return the repository of an ECR host. The host with :443 is the same registry; no other port can be one."""
    host, _, port = domain.partition(":")
    registry = parse_ecr_host(host)
    if registry is None:
        return None
    if port and port != _HTTPS_PORT:
        raise InvalidReferenceError(
            f"{quoted(text)} names port {quoted(port)}; Amazon ECR answers on {_HTTPS_PORT} only"
        )
    if len(path) < MIN_ECR_NAME_LENGTH:
        raise InvalidReferenceError(
            f"{quoted(text)} names a repository of {len(path)} character; Amazon ECR has none shorter than"
            f" {MIN_ECR_NAME_LENGTH}"
        )
    return _shared(registry, path)


@lru_cache(maxsize=REMEMBERED_REPOSITORIES)
def _shared(registry: EcrRegistry, name: str) -> EcrRepository:
    """Return one object for one repository, since the cached evidence of its images refers to it."""
    return EcrRepository(registry, name)


def _explain(text: str, domain: str, remainder: str) -> NoReturn:
    """Raise with the most exact reason why a text is not a reference."""
    raise InvalidReferenceError(f"{quoted(text)} is not an image reference: {_reason(text, domain, remainder)}")


def _reason(text: str, domain: str, remainder: str) -> str:
    if not text:
        return "it is empty"
    if any(character.isspace() or not character.isprintable() for character in text):
        return "it holds white space or control characters"
    if not text.isascii():
        return "it holds characters outside ASCII"
    if _DOMAIN.fullmatch(domain) is None:
        return f"{quoted(domain)} is not a registry host"
    name, _, _ = remainder.partition("@")
    path, colon, tag = name.partition(":")
    if path != path.lower():
        return "a repository name must be lower case"
    if _PATH_ALONE.fullmatch(path) is None:
        return f"{quoted(path)} is not a repository name"
    if colon and _TAG_ALONE.fullmatch(tag) is None:
        return f"{quoted(tag)} is not a tag (at most 128 letters, digits, '_', '.', '-')"
    return "expected host/repository:tag@digest"
