"""ImagePolicy objects, from the API server or from a file, into values. The shapes of the sections are ``sections``.

``parse_policy`` refuses with every problem at once. ``compile_policy`` never refuses: an object that cannot be read
becomes a BrokenPolicy, which still applies at least wherever the object may have meant to.
"""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy import attestations, objects, sections
from tidegate.policy.authorities import SIGNATURES
from tidegate.policy.model import BrokenPolicy, ImagePolicy, Match
from tidegate.policy.objects import bounded, collect, fault, identity, salvaged_identity
from tidegate.policy.shape import Field, Objection, Section

GROUP = objects.GROUP
VERSION = objects.VERSION
KIND = "ImagePolicy"
PLURAL = "imagepolicies"

_CHECKS = ("registries", "tags", "scan", "vulnerabilities", "signatures", "attestations")


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
        Field("signatures", SIGNATURES, into="signatures"),
        Field("attestations", attestations.ATTESTATIONS, into="attestations"),
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
    known = collect(problems, lambda: identity(obj, KIND))
    spec = obj.get("spec") if isinstance(obj, Mapping) else {}
    arguments = collect(problems, lambda: SPEC.read(spec, "spec") if isinstance(obj, Mapping) else {})
    problems.extend(attestations.unknown_authorities(spec, "spec"))
    if problems or known is None or arguments is None:
        raise PolicyError(tuple(problems))
    if "actions" in arguments:
        arguments["actions"] = frozenset(arguments["actions"])
    if "attestations" in arguments:
        arguments["attestations"] = attestations.resolved(arguments["attestations"], arguments.get("signatures"))
    return ImagePolicy(**known, **arguments)


def compile_policy(obj: Mapping[str, Any]) -> ImagePolicy | BrokenPolicy:
    """Return the policy, or what is left of it when it cannot be read. Never raises."""
    try:
        return parse_policy(obj)
    except PolicyError as error:
        return _broken(obj, error.problems)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take every other policy down with it
        return _broken(obj, fault(error))


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
    return BrokenPolicy(**salvaged_identity(obj), problems=bounded(problems), **arguments)


def _salvaged_match(written: object) -> Match:
    """Return the parts of a match that can be read. The parts are ANDed, so leaving one out only widens the match."""
    if not isinstance(written, Mapping):
        return Match()
    kept, _ = sections.MATCH.read_fields(written, "spec.match")
    return Match(**kept)
