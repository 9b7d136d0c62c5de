"""What every kind of tidegate object has in common: group, version, and the identity in its metadata.

The fields below ``spec`` are in the module of each kind.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from tidegate.errors import PolicyError
from tidegate.policy.shape import Shape, below, refusal
from tidegate.strict.objection import describe, problem

T = TypeVar("T")

GROUP: Final = "tidegate.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

MAX_NAME: Final = 253
"""Longest name of a Kubernetes object."""
MAX_KEPT_PROBLEMS: Final = 50
"""Problems that a broken object keeps; they go into its status."""
UNNAMED: Final = "(unnamed)"
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_MAX_STRAY_FIELDS = 20


def collect(problems: list[str], read: Callable[[], T]) -> T | None:
    """Return what is read, or None after adding what is wrong with it to the problems."""
    try:
        return read()
    except PolicyError as error:
        problems.extend(error.problems)
        return None


def read_object(obj: object, kind: str, spec: Shape[dict[str, Any]], more: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object's identity and the arguments that its spec is; raise PolicyError with all problems.

    ``more`` are problems that the shape of the spec cannot find.
    """
    problems: list[str] = []
    known = collect(problems, lambda: identity(obj, kind))
    arguments = collect(problems, lambda: spec.read(obj.get("spec"), "spec") if isinstance(obj, Mapping) else {})
    problems.extend(more)
    if problems or known is None or arguments is None:
        raise PolicyError(tuple(problems))
    return known | arguments


def identity(obj: object, kind: str) -> dict[str, Any]:
    """Return name, uid and generation; raise PolicyError unless this is an object of the kind and of this version."""
    if not isinstance(obj, Mapping):
        raise refusal("object", got=describe(obj), expected="a mapping", do=f"write a whole {kind}")
    problems = [
        problem(below("", name), got=describe(obj[name]), expected=expected, do=f"write {name}: {expected}")
        for name, expected in (("apiVersion", API_VERSION), ("kind", kind))
        if obj.get(name, expected) != expected
    ]
    problems.extend(
        problem(below("", name), got="a field that does not exist here", expected="only spec", do="move it below spec")
        for name in [name for name in obj if name not in _OBJECT_FIELDS][:_MAX_STRAY_FIELDS]
    )
    found = salvaged_identity(obj)
    if found["name"] == UNNAMED:
        problems.append(
            problem("metadata.name", got="no usable name", expected="the object's name", do="write metadata.name")
        )
    if problems:
        raise PolicyError(tuple(problems))
    return found


def salvaged_identity(obj: object) -> dict[str, Any]:
    """Return name, uid and generation, with placeholders for those that cannot be read."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    fields = metadata if isinstance(metadata, Mapping) else {}
    name, uid, generation = fields.get("name"), fields.get("uid"), fields.get("generation")
    usable = isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()
    counted = isinstance(generation, int) and not isinstance(generation, bool)
    return {
        "name": name if usable else UNNAMED,
        "uid": uid if isinstance(uid, str) else "",
        "generation": generation if counted else 0,
    }


def bounded(problems: tuple[str, ...]) -> tuple[str, ...]:
    """Return the problems, cut to what a status has room for."""
    if len(problems) <= MAX_KEPT_PROBLEMS:
        return problems
    return (*problems[:MAX_KEPT_PROBLEMS], f"and {len(problems) - MAX_KEPT_PROBLEMS} more problems")


def fault(error: Exception) -> tuple[str, ...]:
    """Return the problem of an object that made tidegate fail."""
    return (f"could not be read ({type(error).__name__}): this is a bug in tidegate; report it",)
