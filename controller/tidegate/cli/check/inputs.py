"""What ``check`` reads: Kubernetes manifests, Compose files, Dockerfiles, and folders of these, each known by content or name.

A file with other content counts as an image that is not judged, and so does an input without an object, such as the output of
a command that failed. A file that cannot be read or parsed is an error.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Final

from tidegate.cli.argument_files import ArgumentError, read_below
from tidegate.cli.check.compose import images_of_compose, is_compose
from tidegate.cli.check.dockerfile import images_of_dockerfile, is_dockerfile
from tidegate.cli.check.folder import list_folder
from tidegate.cli.documents import objects_of
from tidegate.cli.image_paths import ImagePaths
from tidegate.cli.manifests import STANDARD_INPUT, FoundImage, images_of_object
from tidegate.cli.namespace_labels import NamespaceLabels, is_namespace, labels_of
from tidegate.cli.yaml_files import MAX_FILE_BYTES, YamlValue, read_text, yaml_values

MAX_FOLDER_BYTES: Final = 256 * 1024 * 1024
"""Bytes of all files of one folder and its subfolders."""
MAX_PROBLEMS: Final = 20
"""Invalid files of a folder that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What to read: files and folders of any known content, and files of a given one."""

    files: Sequence[Path] = ()
    compose: Sequence[Path] = ()
    dockerfiles: Sequence[Path] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    exclude: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInputs:
    """What was read: images, the number of objects without an image by kind, the labels of namespaces, and notes."""

    images: Sequence[FoundImage]
    skipped: Counter[str]
    labels: NamespaceLabels
    notes: Sequence[str]


def read_inputs(inputs: Inputs, *, namespace: str, image_paths: ImagePaths) -> ReadInputs:
    """Return what is in the inputs; raise ArgumentError for an invalid one."""
    reader = _Reader(inputs=inputs, namespace=namespace, image_paths=image_paths)
    for file in inputs.files:
        if str(file) != "-" and file.is_dir():
            reader.read_folder(file)
        elif is_dockerfile(file):
            reader.read_dockerfile(file)
        else:
            reader.require_some(file, reader.read_yaml(read_text(file), _name(file)))
    for file in inputs.compose:
        reader.require_some(file, reader.read_compose(file))
    for file in inputs.dockerfiles:
        reader.read_dockerfile(file)
    return ReadInputs(
        images=reader.images, skipped=reader.skipped, labels=labels_of(reader.namespaces), notes=reader.notes
    )


def _name(file: PurePath) -> str:
    return STANDARD_INPUT if str(file) == "-" else str(file)


@dataclass(slots=True, kw_only=True)
class _Reader:
    inputs: Inputs
    namespace: str
    image_paths: ImagePaths
    images: list[FoundImage] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    namespaces: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def require_some(self, file: Path, count: int) -> None:
        """Note an input without any object as not judged: the command that should have written it may have failed."""
        if not count:
            why = f"there is no object in {_name(file)}. To fix: check the path, and the command that writes the input"
            self._not_judged(_name(file), why)

    def read_yaml(self, text: str, name: str, *, in_folder: bool = False) -> int:
        """Read a YAML text with Kubernetes objects or a Compose file; return the number of objects.

        In a folder, a document of another content is noted as not judged; elsewhere it is an error.
        """
        documents = yaml_values(text, name)
        count = 0
        for first in documents:
            count += 1
            if is_compose(first):
                self._add(images_of_compose(first, file=name, namespace=self.namespace), "Compose file")
            elif in_folder and not _has_kind(first):
                why = "this is neither a Kubernetes object nor a Compose file. To fix: leave it out with --exclude"
                self._not_judged(name, why, line=first.line)
            else:
                return count - 1 + self._read_objects(chain([first], documents), name)
        return count

    def read_compose(self, file: Path) -> int:
        """Read a Compose file; return the number of documents."""
        count = 0
        for document in yaml_values(read_text(file), _name(file)):
            count += 1
            self._add(images_of_compose(document, file=_name(file), namespace=self.namespace), "Compose file")
        return count

    def read_dockerfile(self, file: Path) -> None:
        """Read a Dockerfile."""
        found, stages = images_of_dockerfile(
            read_text(file), file=_name(file), namespace=self.namespace, build_args=self.inputs.build_args
        )
        self.require_some(file, stages)
        self._add(found, "Dockerfile")

    def read_folder(self, folder: Path) -> None:
        """Read the YAML and JSON files of a folder and its subfolders, but not those of hidden ones."""
        listed = list_folder(folder, self.inputs.exclude)
        problems: list[str] = []
        size = count = 0
        for parts, why in listed.not_judged:
            self._not_judged(str(folder.joinpath(*parts)), why)
        for parts in listed.files:
            name = str(folder.joinpath(*parts))
            try:
                content = read_below(folder, *parts, count=MAX_FILE_BYTES + 1)
                size += len(content)
                count += self.read_yaml(_decoded(content, name), name, in_folder=True)
            except ArgumentError as problem:
                problems.append(str(problem))
            if size > MAX_FOLDER_BYTES:
                raise ArgumentError(f"{folder}: more than {MAX_FOLDER_BYTES:,} bytes. To fix: name its subfolders")
        if problems:
            more = [f"and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
            fix = "To fix: correct these files, or leave them out with --exclude"
            raise ArgumentError("\n".join([*problems[:MAX_PROBLEMS], *more, fix]))
        if not listed.not_judged:
            self.require_some(folder, count)
        if listed.hidden:
            names = ", ".join(str(folder.joinpath(*parts)) for parts in listed.hidden[:MAX_PROBLEMS])
            self.notes.append(f"hidden folders that were not read: {names}")
        if listed.excluded:
            self.notes.append(f"files and folders left out by --exclude: {listed.excluded}")

    def _read_objects(self, documents: Iterator[YamlValue], name: str) -> int:
        count = 0
        for one in objects_of(documents, name):
            count += 1
            if is_namespace(one.value):
                self.namespaces.append((Path(name), one.value))
            found = images_of_object(one, file=name, namespace=self.namespace, image_paths=self.image_paths)
            self._add(found, one.value["kind"])
        return count

    def _add(self, found: Sequence[FoundImage], kind: str) -> None:
        self.images += found
        if not found:
            self.skipped[kind] += 1

    def _not_judged(self, file: str, why: str, *, line: int = 1) -> None:
        self.images.append(
            FoundImage(place=file, namespace=self.namespace, text=None, not_judged=why, file=file, line=line)
        )


def _has_kind(document: YamlValue) -> bool:
    return isinstance(document.value, dict) and "kind" in document.value


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise ArgumentError(f"{name} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise ArgumentError(f"{name} cannot be read: {problem}") from problem
