"""Scopes that match none of the listed images, and patterns that match none of the listed namespaces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tidegate.cli.argument_files import ArgumentError, read_file
from tidegate.cli.lint.objects import LintedObjects, Source
from tidegate.cli.lint.rules import LintFinding, Rule
from tidegate.cli.report.reading import MAX_INPUT_BYTES, verdicts_in
from tidegate.errors import InvalidReferenceError
from tidegate.images.reference import ImageReference, parse_reference
from tidegate.images.repository import repository_text
from tidegate.policy.match import scope_contains
from tidegate.policy.model import Glob, RegistryScope
from tidegate.verdicts.decode import InvalidVerdictError, StoredVerdict, decode
from tidegate.verdicts.shape import KIND

MAX_IMAGES: Final = 100_000
"""Images of one list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImages:
    """Images by their references, with the verdicts on them and their namespaces if the list has these."""

    references: tuple[ImageReference, ...] = ()
    verdicts: tuple[StoredVerdict, ...] = ()
    namespaces: frozenset[str] = frozenset()


def read_images(file: Path) -> ListedImages:
    """Return the images of ImageVerdict objects, or of a text with a reference on each line; raise ArgumentError."""
    content = read_file(file, maximum=MAX_INPUT_BYTES)
    if KIND.encode() in content:
        return of_verdicts(read_verdicts(content, file))
    lines = [line.partition("#")[0].strip() for line in content.decode(errors="replace").splitlines()]
    if not any(lines):
        raise ArgumentError(f"{file} has no images; write one reference on each line")
    if len(lines) > MAX_IMAGES:
        raise ArgumentError(f"{file} has more than {MAX_IMAGES} images")
    return ListedImages(references=tuple(_reference(line, file, n) for n, line in enumerate(lines, 1) if line))


def read_verdicts(content: bytes, file: Path) -> tuple[StoredVerdict, ...]:
    """Return the verdicts in the content of a file; raise ArgumentError for one that cannot be read."""
    try:
        found = tuple(decode(one) for one in verdicts_in(content, file))
    except InvalidVerdictError as problem:
        raise ArgumentError(
            f"{file}: {KIND}: {problem}; write the file with kubectl get imageverdicts -o yaml"
        ) from problem
    if len(found) > MAX_IMAGES:
        raise ArgumentError(f"{file} has more than {MAX_IMAGES} images")
    return found


def of_verdicts(verdicts: Sequence[StoredVerdict]) -> ListedImages:
    """Return the images of verdicts."""
    return ListedImages(
        references=tuple(parse_reference(f"{repository_text(one.repository)}@{one.digest}") for one in verdicts),
        verdicts=tuple(verdicts),
        namespaces=frozenset(run.name for one in verdicts for run in one.status.runs.namespaces),
    )


def _reference(text: str, file: Path, line: int) -> ImageReference:
    try:
        return parse_reference(text)
    except InvalidReferenceError as problem:
        raise ArgumentError(f"{file}:{line}: {problem}") from problem


def check_images(found: LintedObjects, images: Sequence[ImageReference]) -> Iterator[LintFinding]:
    """Yield a finding for each scope of a policy or an exception that matches none of the images."""
    for source, policy in found.policies:
        yield from _scopes(source, "spec.match.images", policy.match.images, images)
        yield from _scopes(source, "spec.registries", policy.registries or (), images)
    for source, exception in found.exceptions:
        yield from _scopes(source, "spec.images", exception.images, images)


def _scopes(
    source: Source, path: str, scopes: Sequence[RegistryScope], images: Sequence[ImageReference]
) -> Iterator[LintFinding]:
    for index, scope in enumerate(scopes):
        where = f"{path}[{index}]"
        globs = [replace(scope, repositories=(glob,)) for glob in scope.repositories]
        unmatched = [at for at, one in enumerate(globs) if not any(scope_contains(one, image) for image in images)]
        # If no repository of a scope matches, this is one finding, not one for each repository.
        places = [where] if len(unmatched) == len(globs) else [f"{where}.repositories[{at}]" for at in unmatched]
        for place in places:
            message = f"{place}: matches none of the {len(images)} listed images"
            yield source.finding(Rule.MATCHES_NO_IMAGE, place, message, "correct the scope, or remove it")


def check_namespaces(found: LintedObjects, namespaces: Iterable[str]) -> Iterator[LintFinding]:
    """Yield a finding for each pattern of a policy or an exception that matches none of the namespaces."""
    names = sorted(namespaces)
    for source, policy in found.policies:
        yield from _patterns(source, "spec.match.namespaces", policy.match.namespaces, names)
        yield from _patterns(source, "spec.match.excludedNamespaces", policy.match.excluded_namespaces, names)
    for source, exception in found.exceptions:
        yield from _patterns(source, "spec.namespaces", exception.namespaces, names)


def _patterns(source: Source, path: str, globs: Sequence[Glob], names: Sequence[str]) -> Iterator[LintFinding]:
    for index, glob in enumerate(globs):
        where = f"{path}[{index}]"
        if not any(glob.matches(name) for name in names):
            message = f"{where}: {glob.text} matches none of the {len(names)} listed namespaces"
            yield source.finding(Rule.MATCHES_NO_NAMESPACE, where, message, "correct the pattern, or remove it")
