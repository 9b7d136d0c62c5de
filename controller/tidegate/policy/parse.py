"""ImagePolicy objects, from the API server or from a file, into values. The shapes of the sections are ``sections``.

``parse_policy`` refuses with every problem at once. ``compile_policy`` never refuses: an object that cannot be read
becomes a BrokenPolicy, which still applies at least wherever the object may have meant to.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from tidegate.errors import PolicyError
from tidegate.policy import sections
from tidegate.policy.model import BrokenPolicy, ImagePolicy, Match
from tidegate.policy.shape import Field, Objection, Section, below, describe, problem, refusal

T = TypeVar("T")

GROUP = "tidegate.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ImagePolicy"
PLURAL = "imagepolicies"

MAX_NAME = 253
"""Longest name of a Kubernetes object."""
MAX_KEPT_PROBLEMS = 50
"""Problems that a broken policy keeps; they go into its status."""
_UNNAMED = "(unnamed)"
_CHECKS = ("registries", "tags", "scan", "vulnerabilities")
_OBJECT_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")


def _demands(written: Mapping[str, Any]) -> Objection | None:
    if any(section in written for section in _CHECKS):
        return None
    sentence = "add the section that says what you demand of images"
    return Objection("nothing that is demanded", f"at least one of {', '.join(_CHECKS)}", sentence)


SPEC: Final[Section[dict[str, Any]]] = Section(
    build=dict,
    checks=(_demands,),
    fields=(
        Field("validationActions", sections.ACTIONS, into="actions"),
        Field("match", sections.MATCH, into="match"),
        Field("registries", sections.REGISTRIES, into="registries"),
        Field("tags", sections.TAGS, into="tags"),
        Field("scan", sections.SCAN, into="scan"),
        Field("vulnerabilities", sections.VULNERABILITIES, into="vulnerabilities"),
        Field("platforms", sections.PLATFORMS, into="platforms"),
        Field("onUndetermined", sections.TOLERANCE, into="on_undetermined"),
        Field("maxStale", sections.MAX_STALE, into="max_stale"),
    ),
)
"""The whole spec; its value is the arguments of ImagePolicy."""


def parse_policy(obj: Mapping[str, Any]) -> ImagePolicy:
    """Return the policy that an object is.

    Raise PolicyError with every problem of the object, each ``path: got X, expected Y; do Z``. ``uid`` and
    ``generation`` are empty and 0 for objects that no API server has seen.
    """
    problems: list[str] = []
    identity = _collect(problems, lambda: _identity(obj))
    arguments = _collect(problems, lambda: SPEC.read(obj.get("spec"), "spec") if isinstance(obj, Mapping) else {})
    if problems or identity is None or arguments is None:
        raise PolicyError(tuple(problems))
    if "actions" in arguments:
        arguments["actions"] = frozenset(arguments["actions"])
    return ImagePolicy(**identity, **arguments)


def compile_policy(obj: Mapping[str, Any]) -> ImagePolicy | BrokenPolicy:
    """Return the policy, or what is left of it when it cannot be read. Never raises."""
    try:
        return parse_policy(obj)
    except PolicyError as error:
        return _broken(obj, error.problems)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take every other policy down with it
        return _broken(obj, (f"could not be read ({type(error).__name__}): this is a fault of tidegate; report it",))


def _collect(problems: list[str], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except PolicyError as error:
        problems.extend(error.problems)
        return None


def _identity(obj: object) -> dict[str, Any]:
    """Return name, uid and generation; raise PolicyError unless this is an ImagePolicy of this version."""
    if not isinstance(obj, Mapping):
        raise refusal("object", got=describe(obj), expected="a mapping", do=f"write a whole {KIND}")
    problems = [
        problem(below("", name), got=describe(obj[name]), expected=expected, do=f"write {name}: {expected}")
        for name, expected in (("apiVersion", API_VERSION), ("kind", KIND))
        if obj.get(name, expected) != expected
    ]
    problems.extend(
        problem(below("", name), got="a field that does not exist here", expected="only spec", do="move it below spec")
        for name in [name for name in obj if name not in _OBJECT_FIELDS][:20]
    )
    identity = _salvaged_identity(obj)
    if identity["name"] == _UNNAMED:
        problems.append(
            problem("metadata.name", got="no usable name", expected="the object's name", do="write metadata.name")
        )
    if problems:
        raise PolicyError(tuple(problems))
    return identity


def _salvaged_identity(obj: object) -> dict[str, Any]:
    """Return name, uid and generation as far as they can be told."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    fields = metadata if isinstance(metadata, Mapping) else {}
    name, uid, generation = fields.get("name"), fields.get("uid"), fields.get("generation")
    usable = isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()
    counted = isinstance(generation, int) and not isinstance(generation, bool)
    return {
        "name": name if usable else _UNNAMED,
        "uid": uid if isinstance(uid, str) else "",
        "generation": generation if counted else 0,
    }


def _broken(obj: object, problems: tuple[str, ...]) -> BrokenPolicy:
    """Return the object as a broken policy, with its own actions, match and onUndetermined where they can be read."""
    spec = obj.get("spec") if isinstance(obj, Mapping) else None
    arguments: dict[str, Any] = {}
    if isinstance(spec, Mapping):
        kept, _ = SPEC.read_fields(spec, "spec")
        arguments = {name: kept[name] for name in ("actions", "on_undetermined") if name in kept}
        if "actions" in arguments:
            arguments["actions"] = frozenset(arguments["actions"])
        arguments["match"] = _salvaged_match(spec.get("match"))
    if len(problems) > MAX_KEPT_PROBLEMS:
        problems = (*problems[:MAX_KEPT_PROBLEMS], f"and {len(problems) - MAX_KEPT_PROBLEMS} more problems")
    return BrokenPolicy(**_salvaged_identity(obj), problems=problems, **arguments)


def _salvaged_match(written: object) -> Match:
    """Return the parts of a match that can be read. The parts are ANDed, so leaving one out only widens the match."""
    if not isinstance(written, Mapping):
        return Match()
    kept, _ = sections.MATCH.read_fields(written, "spec.match")
    return Match(**kept)
