"""Platforms (operating system, architecture, variant), written ``linux/arm64/v8`` as in OCI image indexes."""

import re
from dataclasses import dataclass

from tidegate.errors import Error

_PART = re.compile(r"[a-z0-9_.-]{1,64}")
_SHORTEST, _LONGEST = 2, 3


class InvalidPlatformError(Error):
    """A text is not a platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform; an empty variant means that none was named."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return ``os/architecture`` with ``/variant`` where one is named."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def accepts(self, other: "Platform") -> bool:
        """Tell whether a node of this platform may run an image of the other; an unnamed variant accepts any."""
        return (
            self.os == other.os
            and self.architecture == other.architecture
            and (not self.variant or not other.variant or self.variant == other.variant)
        )


_FALLBACKS = {
    "amd64": (("386", "*"),),
    "arm64": (("arm", "v8"), ("arm", "v7"), ("arm", "v6"), ("arm", "v5")),
}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")


def preferences(wanted: Platform) -> tuple[Platform, ...]:
    """Return what a node of the platform runs, best first: its own, and else what its processor runs besides.

    A node takes the first of these that an index offers. Source: platform vectors of containerd's platforms package.
    """
    fallbacks = _FALLBACKS.get(wanted.architecture, ())
    if wanted.architecture == "arm" and wanted.variant in _ARM_VARIANTS:
        lower = _ARM_VARIANTS[_ARM_VARIANTS.index(wanted.variant) + 1 :]
        fallbacks = tuple(("arm", variant) for variant in lower)
    others = (Platform(os=wanted.os, architecture=arch, variant=variant.strip("*")) for arch, variant in fallbacks)
    return (wanted, *others)


def parse_platform(text: str) -> Platform:
    """Return the platform that ``os/architecture[/variant]`` names; raise InvalidPlatformError otherwise."""
    parts = text.split("/")
    if not _SHORTEST <= len(parts) <= _LONGEST or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidPlatformError(f"expected os/architecture such as linux/amd64, got {text[:80]!r}")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == _LONGEST else "")
