"""Image references, parsed as the container runtime parses them.

The grammar is that of the distribution project's reference package, which the kubelet and containerd use.
Nothing is looked up here, and nothing is said about which registries are allowed.
"""

from dataclasses import dataclass

from tidegate.images.digest import Digest
from tidegate.images.repository import EcrRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """One parsed reference.

    ``domain`` is the registry host with its port, lower-cased for ECR hosts; ``path`` the repository inside it;
    ``tag`` is ``latest`` where neither tag nor digest was given; with both, the digest decides what runs.
    ``ecr`` is the repository's identity when the domain is Amazon ECR, else None.
    """

    text: str
    domain: str
    path: str
    tag: str | None
    digest: Digest | None
    ecr: EcrRepository | None

    def __str__(self) -> str:
        """Return the reference as it was written."""
        return self.text


def parse_reference(text: str) -> ImageReference:
    """Return the parsed reference; raise InvalidReferenceError for what a container runtime would refuse."""
    raise NotImplementedError
