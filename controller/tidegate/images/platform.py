"""Platforms (operating system, architecture, variant), written ``linux/arm64/v8`` as in OCI image indexes."""

import re
from dataclasses import dataclass
from functools import lru_cache

from tidegate.errors import Error

_PART = re.compile(r"[a-z0-9_.-]{1,64}")
_SHORTEST, _LONGEST = 2, 3


class InvalidPlatformError(Error):
    """A text is not a platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform; an empty variant means none."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return ``os/architecture`` with ``/variant`` where one is named."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


# Aliases of an architecture, with the variant that the alias implies; None keeps the stated variant.
_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm64", "8"): "",
    ("arm64", "v8"): "",
    ("arm", ""): "v7",
    ("arm", "5"): "v5",
    ("arm", "6"): "v6",
    ("arm", "7"): "v7",
    ("arm", "8"): "v8",
}


@lru_cache(maxsize=256)
def normalise(platform: Platform) -> Platform:
    """Return the platform in the names that containerd compares: lower case, aliases resolved, no default variant.

    Source: ``Normalize`` of containerd's platforms package, where 0.2.1 (containerd 1.7) and 1.0 (2.x) agree.
    """
    system, named = platform.os.lower(), platform.architecture.lower()
    architecture, fixed = _ARCHITECTURES.get(named, (named, None))
    variant = platform.variant.lower() if fixed is None else fixed
    return Platform(
        os="darwin" if system == "macos" else system,
        architecture=architecture,
        variant=_VARIANTS.get((architecture, variant), variant),
    )


def parse_platform(text: str) -> Platform:
    """Return the platform that ``os/architecture[/variant]`` names; raise InvalidPlatformError otherwise."""
    parts = text.split("/")
    if not _SHORTEST <= len(parts) <= _LONGEST or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidPlatformError(f"expected os/architecture such as linux/amd64, got {text[:80]!r}")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == _LONGEST else "")
