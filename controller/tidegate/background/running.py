"""Which images run, and where: all Pods that have not ended, by the images that they run. A sink of the reflector.

An image is a repository and a digest. The digest is the one that the kubelet reports of a container that has started, else
the one in the reference, else the one that the registry says the tag means, which ``resolve`` tells.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from tidegate.errors import InvalidReferenceError
from tidegate.images.digest import Digest
from tidegate.images.reference import parse_reference
from tidegate.images.repository import Repository
from tidegate.verdicts.usage import NamespaceUsage, OwningWorkload, RunningContainer, RunningPod, Usage

K = TypeVar("K")
ImageInUse: TypeAlias = tuple[Repository, Digest]
NamedTag: TypeAlias = tuple[Repository, str]

MAX_TAGS: Final = 64
"""Tags of one image that are kept, those that most Pods name it by first."""
REMEMBERED_CONTAINERS: Final = 4_096

_PULLABLE: Final = "docker-pullable://"
"""How some kubelets begin an imageID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What a container runs. ``digest`` is None where only the registry can say what the tag means.

    ``named`` is the digest in the reference, and ``ran`` the one that the kubelet reports, of the same repository.
    """

    repository: Repository
    digest: Digest | None
    tag: str | None
    named: Digest | None
    ran: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUses:
    """Where an image runs: for the verdict as a whole, and for each namespace and reference that it is judged by."""

    usage: Usage
    texts: Mapping[tuple[str, str], tuple[OwningWorkload, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A container that runs another digest than the admitted one.

    ``named`` is the digest in its reference; with ``by_tag``, what its tag meant when the Pod was created.
    """

    namespace: str
    workload: OwningWorkload
    path: str
    image: str
    named: Digest
    runs: Digest
    by_tag: bool = False


class PodTable:
    """Pods by the images that they run. ``on_touch`` is called with each image whose use has changed."""

    def __init__(self) -> None:
        self.on_touch: Callable[[ImageInUse], None] = lambda _: None
        self._pods: dict[str, RunningPod] = {}
        self._identified: dict[str, tuple[tuple[RunningContainer, Identified], ...]] = {}
        """The containers of each Pod with what they run, without those whose reference is none."""
        self._by_image: dict[ImageInUse, dict[str, None]] = {}
        self._by_tag: dict[NamedTag, dict[str, None]] = {}
        self._meaning: dict[NamedTag, Digest] = {}
        self._meant: dict[ImageInUse, dict[str, None]] = {}
        self._different: dict[str, int] = {}
        self._admitted: dict[str, dict[tuple[str, str], Digest]] = {}
        """Of each Pod by path and reference: what the tags of its containers meant before these started."""
        self.is_listed = False
        """Whether all Pods of the cluster are known."""

    def __len__(self) -> int:
        """Return the number of Pods."""
        return len(self._pods)

    @property
    def differences(self) -> int:
        """Return the number of containers that run another digest than the admitted one."""
        return sum(self._different.values())

    def put(self, key: str, pod: RunningPod, /) -> None:
        """Take a Pod, new or changed."""
        if self._pods.get(key) == pod:
            return
        admitted = self._meant_before_start(key)
        before = self._remove(key)
        if pod.containers:
            names = {(one.path, one.image) for one in pod.containers}
            if kept := {name: digest for name, digest in admitted.items() if name in names}:
                self._admitted[key] = kept
            self._add(key, pod)
        self._forget_tags(before)

    def drop(self, key: str, /) -> None:
        """Forget a Pod."""
        self._forget_tags(self._remove(key))

    def _meant_before_start(self, key: str) -> dict[tuple[str, str], Digest]:
        """Return what the tags of a Pod's containers meant before they started, as far as the registry was asked by then."""
        found = dict(self._admitted.get(key, {}))
        for one, known in self._identified.get(key, ()):
            if known.digest is None and (means := self._meaning.get((known.repository, known.tag or ""))):
                found.setdefault((one.path, one.image), means)
        return found

    def _expected(self, key: str, container: RunningContainer, found: Identified) -> Digest | None:
        """Return the digest that was admitted: the one in the reference, or what its tag meant before it started."""
        return found.named or self._admitted.get(key, {}).get((container.path, container.image))

    def _add(self, key: str, pod: RunningPod) -> None:
        pairs = ((one, identify(one.image, one.image_id)) for one in pod.containers)
        self._pods[key] = pod
        self._identified[key] = tuple((one, found) for one, found in pairs if found is not None)
        different = 0
        for container, found in self._identified[key]:
            different += found.ran is not None and self._expected(key, container, found) not in (None, found.ran)
            if found.digest is not None:
                image = found.repository, found.digest
                self._by_image.setdefault(image, {})[key] = None
                self.on_touch(image)
            elif found.tag is not None:
                named = found.repository, found.tag
                self._by_tag.setdefault(named, {})[key] = None
                if named in self._meaning:
                    self.on_touch((found.repository, self._meaning[named]))
        if different:
            self._different[key] = different

    def _remove(self, key: str) -> list[NamedTag]:
        """Forget a Pod, and return the tags by which it named images that it had not started."""
        self._pods.pop(key, None)
        self._different.pop(key, None)
        self._admitted.pop(key, None)
        tags: list[NamedTag] = []
        for _, found in self._identified.pop(key, ()):
            if found.digest is not None:
                image = found.repository, found.digest
                _discard(self._by_image, image, key)
                self.on_touch(image)
            elif found.tag is not None:
                named = found.repository, found.tag
                _discard(self._by_tag, named, key)
                tags.append(named)
                if named in self._meaning:
                    self.on_touch((found.repository, self._meaning[named]))
        return tags

    def _forget_tags(self, tags: list[NamedTag]) -> None:
        """Forget the meaning of tags that no Pod names any more."""
        for named in tags:
            if named not in self._by_tag and named in self._meaning:
                _discard(self._meant, (named[0], self._meaning.pop(named)), named[1])

    def listed(self) -> None:
        """Take note that every Pod is known."""
        self.is_listed = True

    def images_in(self, namespaces: Collection[str]) -> Iterator[ImageInUse]:
        """Yield the images that run in these namespaces; some of them several times."""
        for key, pod in list(self._pods.items()):
            if pod.namespace not in namespaces:
                continue
            for _, found in self._identified[key]:
                digest = found.digest or self._meaning.get((found.repository, found.tag or ""))
                if digest is not None:
                    yield found.repository, digest

    def all_images(self) -> Iterator[ImageInUse]:
        """Yield every image that runs, and every one that a tag of a Pod means that has not started."""
        yield from list(self._by_image)
        yield from [image for image in self._meant if image not in self._by_image]

    def runs(self, image: ImageInUse) -> bool:
        """Tell whether a Pod runs the image."""
        return image in self._by_image or image in self._meant

    def namespaces(self) -> set[str]:
        """Return the namespaces of all Pods."""
        return {pod.namespace for pod in self._pods.values()}

    def unresolved(self) -> Iterator[tuple[NamedTag, str, str]]:
        """Yield each tag of containers that have not started whose meaning is not known, with a namespace and a reference."""
        for named, keys in list(self._by_tag.items()):
            key = next(iter(keys))
            pod = self._pods[key]
            if named not in self._meaning:
                yield from (
                    (named, pod.namespace, one.image) for one, found in self._identified[key] if _names(found, named)
                )

    def resolve(self, named: NamedTag, digest: Digest) -> None:
        """Take what the registry says that a tag means."""
        before = self._meaning.get(named)
        if named not in self._by_tag or before == digest:
            return
        self._meaning[named] = digest
        self._meant.setdefault((named[0], digest), {})[named[1]] = None
        self.on_touch((named[0], digest))
        if before is not None:
            _discard(self._meant, (named[0], before), named[1])
            self.on_touch((named[0], before))

    def uses(self, image: ImageInUse, owner: Callable[[OwningWorkload], OwningWorkload]) -> ImageUses:
        """Return where an image runs. ``owner`` gives the outermost owner of a Pod's controller."""
        pods: dict[str, set[str]] = defaultdict(set)
        since: dict[str, datetime] = {}
        workloads: dict[str, dict[OwningWorkload, None]] = defaultdict(dict)
        texts: dict[tuple[str, str], dict[OwningWorkload, None]] = defaultdict(dict)
        tags: dict[str, int] = defaultdict(int)
        for key, pod, container, found in self._containers(image):
            workload = owner(pod.workload)
            pods[pod.namespace].add(key)
            workloads[pod.namespace][workload] = None
            texts[pod.namespace, container.image][workload] = None
            if found.tag is not None:
                tags[found.tag] += 1
            if container.since is not None and found.digest is not None:
                since[pod.namespace] = min(since.get(pod.namespace, container.since), container.since)
        namespaces = {
            name: NamespaceUsage(pods=len(keys), since=since.get(name), workloads=tuple(sorted(workloads[name])))
            for name, keys in pods.items()
        }
        most = sorted(tags, key=lambda tag: (-tags[tag], tag))[:MAX_TAGS]
        return ImageUses(
            usage=Usage(namespaces=namespaces, tags=tuple(most)),
            texts={place: tuple(sorted(found)) for place, found in texts.items()},
        )

    def different(self) -> Iterator[Difference]:
        """Yield each container that runs another digest than the admitted one."""
        for key in list(self._different):
            pod = self._pods[key]
            for container, found in self._identified[key]:
                expected = self._expected(key, container, found)
                if found.ran is None or expected in (None, found.ran):
                    continue
                assert expected is not None
                yield Difference(
                    namespace=pod.namespace,
                    workload=pod.workload,
                    path=container.path,
                    image=container.image,
                    named=expected,
                    runs=found.ran,
                    by_tag=found.named is None,
                )

    def _containers(self, image: ImageInUse) -> Iterator[tuple[str, RunningPod, RunningContainer, Identified]]:
        """Yield the containers that run an image, and those that will by what their tags mean."""
        repository, digest = image
        for key in [*self._by_image.get(image, ()), *self._waiting(image)]:
            pod = self._pods[key]
            for container, found in self._identified[key]:
                if found.repository != repository:
                    continue
                means = found.digest
                if means is None and found.tag is not None:
                    means = self._meaning.get((repository, found.tag))
                if means == digest:
                    yield key, pod, container, found

    def _waiting(self, image: ImageInUse) -> Iterator[str]:
        """Yield the Pods that name an image by its tag and have not started it."""
        running = self._by_image.get(image, {})
        for tag in self._meant.get(image, ()):
            yield from (key for key in self._by_tag.get((image[0], tag), ()) if key not in running)


@lru_cache(maxsize=REMEMBERED_CONTAINERS)
def identify(image: str, image_id: str) -> Identified | None:
    """Return what a container with this reference and imageID runs, or None where the reference is none.

    Of an image with several repositories on a node, the kubelet may report the digest in another one: then the reference
    decides.
    """
    try:
        reference = parse_reference(image)
    except InvalidReferenceError:
        return None
    repository = reference.repository
    ran = None
    if image_id:
        try:
            reported = parse_reference(image_id.removeprefix(_PULLABLE))
        except InvalidReferenceError:
            reported = None  # The id of an image without a repository, such as one that was loaded into the node.
        if reported is not None and reported.repository == repository:
            ran = reported.digest
    return Identified(
        repository=repository,
        digest=ran or reference.digest,
        tag=reference.tag,
        named=reference.digest,
        ran=ran,
    )


def _names(found: Identified, named: NamedTag) -> bool:
    return found.digest is None and (found.repository, found.tag) == named


def _discard(index: dict[K, dict[str, None]], name: K, key: str) -> None:
    keys = index.get(name)
    if keys is not None:
        keys.pop(key, None)
        if not keys:
            del index[name]
