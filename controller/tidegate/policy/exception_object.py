"""ImagePolicyException objects, from the API server or from a file, into values, and what a policy permits of them.

There are two kinds with one spec: an ImagePolicyException of the cluster names the namespaces that it applies to, a
NamespacedImagePolicyException applies to its own namespace alone. The CRDs are generated from the shapes here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy.durations import duration
from tidegate.policy.exceptions import MAX_LIFETIME, AnyException, BrokenException, ImagePolicyException
from tidegate.policy.model import ExceptableCheck, NamespacedExceptions
from tidegate.policy.names import OBJECT_PATTERN, PRINTABLE_PATTERN
from tidegate.policy.objects import MAX_NAME, bounded, fault, read_object, salvaged_identity
from tidegate.policy.scopes import registry_scope
from tidegate.policy.sections import NAMESPACE_GLOB
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, Section, Text, exactly_one, refusal
from tidegate.policy.vulnerabilities import VULNERABILITY_ID, reason_text
from tidegate.strict.objection import describe
from tidegate.strict.quotation import TIME_FORMAT

KIND: Final = "ImagePolicyException"
PLURAL: Final = "imagepolicyexceptions"
NAMESPACED_KIND: Final = "NamespacedImagePolicyException"
NAMESPACED_PLURAL: Final = "namespacedimagepolicyexceptions"

MAX_POLICIES: Final = 20
MAX_VULNERABILITIES: Final = 100
MAX_SCOPES: Final = 10
MAX_REPOSITORIES: Final = 10
MAX_NAMESPACES: Final = 50
MAX_REQUESTED_BY: Final = 253

TIME_PATTERN: Final = "^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


def _make_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


class _Time(Text[datetime]):
    """A time in UTC; YAML files give an unquoted one as a time instead of as a string."""

    __slots__ = ()

    def read(self, value: object, path: str) -> datetime:
        """Return the time."""
        if isinstance(value, datetime) and value.utcoffset() in (None, timedelta(0)) and not value.microsecond:
            value = value.strftime(TIME_FORMAT)
        return Text.read(self, value, path)


_POLICY = Text(
    expected="the name of an ImagePolicy",
    do="see kubectl get imagepolicies",
    make=str,
    maximum=MAX_NAME,
    pattern=OBJECT_PATTERN,
)


def _spec(*, namespaced: bool) -> Section[dict[str, Any]]:
    """Return the shape of the spec of one of the two kinds."""
    namespaces = Field(
        "namespaces",
        ListOf(item=NAMESPACE_GLOB, minimum=1, maximum=MAX_NAMESPACES),
        "Names of the namespaces that the exception applies to; a star stands for any characters.",
        required=True,
    )
    what = "the objects of its namespace" if namespaced else "objects of some namespaces"
    return Section(
        build=dict,
        description=f"What is excepted, for images of {what}. All fields must fit at once; exactly one of checks and"
        " vulnerabilities must be set.",
        checks=(
            exactly_one(
                "checks",
                "vulnerabilities",
                do="write checks to except them as a whole, or vulnerabilities to except single ones; for both, write two"
                " exceptions",
            ),
        ),
        fields=(
            Field(
                "policies",
                ListOf(item=_POLICY, minimum=1, maximum=MAX_POLICIES, unique=True),
                "The names of the policies that the exception is from. There is no wildcard, so that a new policy starts"
                " without exceptions.",
                required=True,
            ),
            Field(
                "checks",
                ListOf(item=Choice(words=ExceptableCheck), minimum=1, maximum=len(ExceptableCheck), unique=True),
                "The checks that are excepted as a whole: what they find, and also an undetermined result.",
            ),
            Field(
                "vulnerabilities",
                ListOf(item=VULNERABILITY_ID, minimum=1, maximum=MAX_VULNERABILITIES, unique=True),
                "The ids of the vulnerabilities that do not count in the check vulnerabilities, as the findings state them,"
                " such as CVE-2026-12345. Every other finding counts, and the scan must have finished. They count neither"
                " for `maxCounts` nor for `exploitAvailable` and `epssThreshold`.",
            ),
            Field(
                "images",
                ListOf(item=registry_scope(MAX_REPOSITORIES), minimum=1, maximum=MAX_SCOPES),
                "Repositories whose images the exception applies to; the image must be in one of them. All tags and"
                " digests of a repository are the same to an exception.",
                required=True,
            ),
            *([] if namespaced else [namespaces]),
            Field(
                "expiresAt",
                _Time(
                    expected="a time in UTC such as 2027-01-31T18:00:00Z",
                    do="write year to second, with T and Z",
                    make=_make_time,
                    minimum=20,
                    maximum=20,
                    pattern=TIME_PATTERN,
                    wire_format="date-time",
                ),
                "When the exception ends, in UTC, such as 2027-01-31T18:00:00Z: at most 365 days after its creation.",
                required=True,
            ),
            Field(
                "reason",
                reason_text("state why the exception is needed"),
                "Why it is needed, in one line.",
                required=True,
            ),
            Field(
                "requestedBy",
                Text(
                    expected=f"one line of 1 to {MAX_REQUESTED_BY} characters without spaces around it",
                    do="name who answers for the exception",
                    make=str,
                    maximum=MAX_REQUESTED_BY,
                    pattern=PRINTABLE_PATTERN,
                    by_rule=True,
                ),
                "Who answers for the exception, such as a name, a mail address or a ticket. The API server's audit log has"
                " the user who wrote it.",
                required=True,
            ),
        ),
    )


SPEC: Final = _spec(namespaced=False)
"""The spec of an ImagePolicyException; its value is the arguments of the dataclass."""
NAMESPACED_SPEC: Final = _spec(namespaced=True)
"""The spec of a NamespacedImagePolicyException."""
SPECS: Final = {KIND: SPEC, NAMESPACED_KIND: NAMESPACED_SPEC}


def parse_exception(obj: Mapping[str, Any], kind: str = KIND) -> ImagePolicyException:
    """Return the exception that an object is; raise PolicyError with every problem.

    ``created_at`` is None for objects that no API server has seen.
    """
    arguments = read_object(obj, kind, SPECS[kind])
    metadata = obj["metadata"]
    if kind == NAMESPACED_KIND:
        namespace = metadata.get("namespace")
        if not isinstance(namespace, str) or not namespace:
            raise refusal(
                "metadata.namespace",
                got=describe(namespace),
                expected="the namespace that it applies to",
                do="write metadata.namespace",
            )
        arguments["namespace"] = namespace
    created = metadata.get("creationTimestamp")
    if created is not None:
        arguments["created_at"] = _make_time(created) if isinstance(created, str) else None
        if arguments["created_at"] is None or arguments["expires_at"] - arguments["created_at"] > MAX_LIFETIME:
            raise refusal(
                "spec.expiresAt",
                got=f"{arguments['expires_at']:{TIME_FORMAT}}",
                expected=f"a time at most {MAX_LIFETIME.days} days after the creation of the exception",
                do="write an earlier time",
            )
    return ImagePolicyException(**arguments)


def compile_exception(obj: Mapping[str, Any], kind: str = KIND) -> AnyException:
    """Return the exception, or what is left of one that cannot be read and excepts nothing. Never raises."""
    try:
        return parse_exception(obj, kind)
    except PolicyError as error:
        problems = error.problems
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take every other exception down with it
        problems = fault(error)
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    namespace = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return BrokenException(
        **salvaged_identity(obj),
        namespace=namespace if kind == NAMESPACED_KIND and isinstance(namespace, str) else None,
        problems=bounded(problems),
    )


def _permitted(*, checks: tuple[ExceptableCheck, ...] = (), **others: Any) -> NamespacedExceptions:
    return NamespacedExceptions(checks=frozenset(checks), **others)


def _permits_nothing(written: Mapping[str, Any]) -> str | None:
    return None if written.get("checks") or written.get("vulnerabilities", False) is not False else "nothing"


NAMESPACED_EXCEPTIONS: Final = Section(
    build=_permitted,
    checks=(
        Constraint(
            expected="what may be excepted: checks or vulnerabilities",
            do="set one of them, or remove namespacedExceptions",
            got=_permits_nothing,
            rule="self.vulnerabilities || (has(self.checks) && self.checks.size() > 0)",
        ),
    ),
    fields=(
        Field(
            "checks",
            ListOf(item=Choice(words=ExceptableCheck), maximum=len(ExceptableCheck), unique=True),
            "The checks that may be excepted as a whole.",
        ),
        Field(
            "vulnerabilities",
            Flag(),
            "Whether single vulnerabilities may be excepted, by their ids.",
            default=False,
        ),
        Field(
            "maxDuration",
            duration(timedelta(minutes=1), MAX_LIFETIME),
            "The longest time from the creation of an exception to its end, from 1m to 365d, such as 12h. An exception that"
            " lasts longer has no effect.",
            default="7d",
        ),
    ),
)
"""What the exceptions of namespaces may except."""
