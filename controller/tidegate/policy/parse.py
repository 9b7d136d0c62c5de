"""ImagePolicy objects, from the API server or from a file, into values.

The shapes of the sections are in ``sections``, ``vulnerabilities``, ``authorities`` and ``attestations``.
``parse_policy`` refuses with every problem at once. ``compile_policy`` never refuses: an object that cannot be read
becomes a BrokenPolicy, which still applies at least wherever the object may have meant to.
"""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy import attestations, objects, sections
from tidegate.policy.authorities import SIGNATURES
from tidegate.policy.exception_object import NAMESPACED_EXCEPTIONS
from tidegate.policy.model import BrokenPolicy, ImagePolicy, Match
from tidegate.policy.objects import bounded, fault, read_object, salvaged_identity
from tidegate.policy.repository_rules import REPOSITORY
from tidegate.policy.shape import Constraint, Field, Section
from tidegate.policy.vulnerabilities import VULNERABILITIES

GROUP = objects.GROUP
VERSION = objects.VERSION
KIND = "ImagePolicy"
PLURAL = "imagepolicies"

_CHECKS = ("registries", "tags", "scan", "vulnerabilities", "signatures", "attestations", "repository")


def _requires_nothing(written: Mapping[str, Any]) -> str | None:
    return None if any(section in written for section in _CHECKS) else "no requirement"


SPEC: Final[Section[dict[str, Any]]] = Section(
    build=dict,
    description="The requirements. At least one of registries, tags, scan, vulnerabilities, signatures, attestations"
    " and repository must be set; a section that is left out requires nothing.",
    checks=(
        Constraint(
            expected=f"at least one of {', '.join(_CHECKS)}",
            do="add the section with what you require of images",
            got=_requires_nothing,
            rule=" || ".join(f"has(self.{section})" for section in _CHECKS),
        ),
        # ``unknown_authorities`` names each of them to the users of the parser.
        Constraint(
            expected="attestations whose authorities are sigstore authorities of signatures.anyOf",
            do="add the authority there, or use anyOf in the attestation",
            rule="!has(self.attestations) || self.attestations.all(attestation, !has(attestation.authorities) ||"
            " attestation.authorities.all(name, has(self.signatures) &&"
            " self.signatures.anyOf.exists(authority, authority.name == name && has(authority.sigstore))))",
        ),
    ),
    fields=(
        Field(
            "validationActions",
            sections.ACTIONS,
            "What happens if an image does not meet the policy. `Deny` refuses the object. `Warn` admits it and shows"
            " a warning in kubectl. `Audit` records it in the API server's audit log. `Deny` and `Warn` exclude each"
            " other, because a refusal already contains the text of the warning. Start a new policy with `[Warn,"
            " Audit]`, check what it would refuse, then use `Deny`.",
            default=["Deny"],
            into="actions",
        ),
        Field(
            "match",
            sections.MATCH,
            "The namespaces and images that the policy applies to. They must fit every field; a field that is left out or"
            " empty fits all, so without match the policy applies to every image.",
        ),
        Field(
            "registries",
            sections.REGISTRIES,
            "The registries that images may come from, as registry scopes; one must match. tidegate refuses an image"
            " from any other registry before it looks anything up or resolves the host, so a Pod cannot make tidegate"
            " connect to a host of its choice.",
        ),
        Field("tags", sections.TAGS, "What is required of tags. At least one field must require something."),
        Field(
            "scan",
            sections.SCAN,
            "What is required of the scan by Amazon Inspector or Amazon ECR; an empty mapping requires a finished scan. An"
            " image that was not scanned, whose scan failed or is switched off, or that is not in Amazon ECR never meets"
            " this.",
        ),
        Field(
            "vulnerabilities",
            VULNERABILITIES,
            "Which findings count, and how many are allowed. At least one of maxCounts, epssThreshold and exploitAvailable"
            " (Deny) must be set. A finished scan is required as well, by the rules of scan or by its defaults.",
        ),
        Field(
            "signatures",
            SIGNATURES,
            "Who must have signed the image; one of the authorities is enough. A signature that is missing, invalid or"
            " could not be verified never meets this.",
        ),
        Field(
            "attestations",
            attestations.ATTESTATIONS,
            "Signed statements about the image, such as where it was built. All attestations of the list are required.",
        ),
        Field(
            "repository",
            REPOSITORY,
            "What is required of the configuration of the image's repository in Amazon ECR: who may push and pull, scanning,"
            " encryption and lifecycle policy. An image of another registry never meets this.",
        ),
        Field(
            "platforms",
            sections.PLATFORMS,
            "The platforms of the nodes that run the images, as `os/architecture`; by default those of the cluster's"
            " nodes. tidegate judges every image of an index (a multi-platform image) that containerd may run on one"
            " of them; the worst one decides. You may write a variant, but it excludes no image. Set the platforms if"
            " nodes of another platform come and go, so that such a node does not suddenly change which images are"
            " judged.",
        ),
        Field(
            "onUndetermined",
            sections.TOLERANCE,
            "What to do with an image that could not be judged, because AWS did not answer in time or returned"
            " something that tidegate does not know. `Deny` treats it as not meeting the policy; `Allow` admits it"
            " with a warning. This is for unknown images, not for vulnerable ones.",
            default="Deny",
        ),
        Field(
            "maxStale",
            sections.MAX_STALE,
            "How long tidegate may use evidence that it cannot refresh, because AWS is unavailable or throttles."
            " After that, the image is undetermined. A longer time survives longer outages; a shorter time notices"
            " changes sooner during an outage. From `0s` (never) to `7d`.",
            default="1h",
        ),
        Field(
            "namespacedExceptions",
            NAMESPACED_EXCEPTIONS,
            "What a NamespacedImagePolicyException may except from this policy, within its own namespace. If"
            " omitted, it may except nothing. An ImagePolicyException may except everything, so let only the platform team"
            " write it.",
        ),
    ),
)
"""The whole spec; its value is the arguments of ImagePolicy. The CRD is generated from it."""


def parse_policy(obj: Mapping[str, Any]) -> ImagePolicy:
    """Return the policy that an object is.

    Raise PolicyError with every problem of the object, each ``path: got X, expected Y; do Z``. ``uid`` and
    ``generation`` are empty and 0 for objects that no API server has seen.
    """
    spec = obj.get("spec") if isinstance(obj, Mapping) else {}
    arguments = read_object(obj, KIND, SPEC, attestations.unknown_authorities(spec))
    if "actions" in arguments:
        arguments["actions"] = frozenset(arguments["actions"])
    if "attestations" in arguments:
        arguments["attestations"] = attestations.resolved(arguments["attestations"], arguments.get("signatures"))
    return ImagePolicy(**arguments)


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
