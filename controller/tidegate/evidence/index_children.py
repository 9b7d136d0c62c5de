"""Which images of an index nodes may run, by containerd's rules.

What containerd 1.7 and 2.x do, read from their sources:

- ``images.Manifest`` decides. At each index it keeps the entries whose platform the node's matcher accepts and those
  without a platform, sorts them by the matcher's ``Less``, and enters the first. It never goes back to a second one.
- An entry that is an index is kept or left out by its own platform, whatever the images within it say. An entry without
  a platform comes last; if it is an image, its config then has to name a platform that fits. The config of an image
  whose entry names a platform is never compared. An image that is not in an index runs whatever its platform is.
- The CRI plugin and its client match by ``platforms.Default()``, which is ``platforms.Only(platforms.DefaultSpec())``.
  ``DefaultSpec`` names a variant on ARM alone (``getCPUVariant``). The pull (``images.FilterPlatforms`` with
  ``images.LimitManifests``, or the transfer service with ``platforms.Ordered``) fetches what the same matcher takes, or
  less; ``platforms.OnlyOS`` of the transfer service (2.4) says what may be unpacked and chooses nothing.
- ``platformVector`` lists what a node runs, best first: amd64 its own variant, lower ones, then 386; arm64 its own
  variant, lower ones (2.x only), then arm v8 to v5; arm its own variant, then lower ones.
- Before it compares, ``matcher.Match`` normalises (``Normalize``): lower case, aliases, default variants. An empty
  operating system becomes the node's.
- ``os.version`` counts on Windows. ``os.features`` count since platforms 1.0.0-rc.4 (2.3, 2.4): an entry with a feature
  that the node lacks does not match, and of those that match the one with more features comes first.

Nodes do not tell the variant of their processor, so no variant is compared here: every entry of a node's architecture
is taken, and those of the lesser architecture too unless an entry stands for the plain platform, which every node of
that architecture prefers to a lesser one. That is a superset of what any version chooses on any node; the tests compare
it with containerd's own code.
"""

from collections.abc import Iterator, Mapping

from tidegate.evidence.image import PlatformImage
from tidegate.images.digest import Digest
from tidegate.images.manifest import Manifest
from tidegate.images.platform import Platform, normalise

_LESSER = {"amd64": "386", "arm64": "arm"}
"""What else a processor runs, where an index has nothing for its own architecture."""


def index_children(digest: Digest, manifests: Mapping[Digest, Manifest]) -> tuple[PlatformImage, ...]:
    """Return the children of an index; ``manifests`` has the index and every index within it."""
    return tuple(
        PlatformImage(
            digest=child.digest,
            platform=child.platform,
            restricted=child.restricted,
            children=index_children(child.digest, manifests) if child.is_index else (),
        )
        for child in manifests[digest].children
    )


def images_within(children: tuple[PlatformImage, ...]) -> Iterator[PlatformImage]:
    """Give the images among the children and within them, in order, without the indexes that hold them."""
    for child in children:
        if child.children:
            yield from images_within(child.children)
        else:
            yield child


def select_platforms(children: tuple[PlatformImage, ...], wanted: tuple[Platform, ...]) -> tuple[PlatformImage, ...]:
    """Return every image that a node of the wanted platforms may run, each digest once, in the order of the index.

    A variant in ``wanted`` is not compared; see the module. Nothing wanted is every image.
    """
    chosen = {image for platform in wanted for image in _may_run(children, normalise(platform))}
    images = (image for image in images_within(children) if image in chosen or not wanted)
    return tuple({image.digest: image for image in images}.values())


def _may_run(children: tuple[PlatformImage, ...], node: Platform) -> Iterator[PlatformImage]:
    """Give every image that containerd may reach from these entries of one index on a node of the platform."""
    plain = Platform(os=node.os, architecture=node.architecture)
    architectures = {node.architecture}
    if not any(child.platform == plain and not child.restricted for child in children):
        architectures.add(_LESSER.get(node.architecture, node.architecture))
    for child in children:
        named = child.platform
        if named is not None and (named.os != node.os or named.architecture not in architectures):
            continue
        if child.children:
            yield from _may_run(child.children, node)
        else:
            yield child
