"""The sections of an ImagePolicy's spec as shapes, field by field: the parser reads by them, the CRD is made from them.

The values that they are read into are in ``model``. Longer sections have a module of their own: ``vulnerabilities``,
``signatures`` and ``attestations``.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from tidegate.images.platform import parse_platform
from tidegate.policy.durations import duration
from tidegate.policy.model import Action, Glob, Match, ScanRules, TagRules, Tolerance
from tidegate.policy.scopes import MAX_SCOPES, REGISTRY_SCOPE, make_glob
from tidegate.policy.selectors import LABEL_SELECTOR
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, Section, Text

MAX_NAMESPACES = 100
MAX_FORBIDDEN_TAGS = 50
MAX_PLATFORMS = 16
MAX_SETTLING = timedelta(hours=1)
MAX_STALENESS = timedelta(days=7)
MIN_SCAN_AGE = timedelta(minutes=1)
MAX_SCAN_AGE = timedelta(days=365)

NAMESPACE_PATTERN = r"^\*{0,2}([a-z0-9-]\*{0,2})*$"
TAG_PATTERN = r"^\*{0,2}([A-Za-z0-9_.-]\*{0,2})*$"
PLATFORM_PATTERN = "^[a-z0-9_.-]{1,64}/[a-z0-9_.-]{1,64}(/[a-z0-9_.-]{1,64})?$"

TOLERANCE: Final = Choice(words=Tolerance)


def _deny_and_warn(actions: Sequence[Action]) -> str | None:
    return "Deny and Warn" if {Action.DENY, Action.WARN} <= set(actions) else None


def _no_rule_for_tags(written: Mapping[str, Any]) -> str | None:
    if written.get("immutable", False) is not False or written.get("digestRequired", False) is not False:
        return None
    return None if written.get("forbidden") else "no requirement"


def _glob(pattern: str, maximum: int, expected: str, do: str) -> Text[Glob]:
    return Text(expected=expected, do=do, make=make_glob, maximum=maximum, pattern=pattern, by_rule=True)


NAMESPACE_GLOB: Final = _glob(
    NAMESPACE_PATTERN,
    63,
    "a namespace name or a glob of lower-case letters, digits and - *",
    "write it such as production or team-*",
)
_TAG = _glob(
    TAG_PATTERN,
    128,
    "a tag or a glob of letters, digits and _ . - *",
    "write it such as latest or *-snapshot",
)

ACTIONS: Final = ListOf(
    item=Choice(words=Action),
    minimum=1,
    maximum=len(Action),
    unique=True,
    checks=(
        Constraint(
            expected="at most one of Deny and Warn",
            do="remove Warn; a refusal includes its text",
            got=_deny_and_warn,
            rule="!(self.exists(action, action == 'Deny') && self.exists(action, action == 'Warn'))",
        ),
    ),
)

MATCH: Final = Section(
    build=Match,
    fields=(
        Field(
            "namespaceSelector",
            LABEL_SELECTOR,
            "Selects namespaces by their labels, as in Kubernetes. A user who can label a namespace can remove it"
            " from such a policy: prefer `namespaces`, or protect the label. The label `kubernetes.io/metadata.name`"
            " holds the namespace's name and cannot be changed.",
        ),
        Field(
            "namespaces",
            ListOf(item=NAMESPACE_GLOB, maximum=MAX_NAMESPACES),
            "Names of namespaces, or globs: a star stands for any characters. One must match.",
        ),
        Field(
            "excludedNamespaces",
            ListOf(item=NAMESPACE_GLOB, maximum=MAX_NAMESPACES),
            "Names or globs of namespaces that the policy does not apply to, even if the other fields select them.",
        ),
        Field(
            "images",
            ListOf(item=REGISTRY_SCOPE, maximum=MAX_SCOPES),
            "Registry scopes whose images the policy applies to; one must match. The author of the Pod chooses the"
            " image name, so this field only selects images and protects nothing. To keep other registries out, use"
            " `registries`.",
        ),
    ),
)

REGISTRIES: Final = ListOf(item=REGISTRY_SCOPE, minimum=1, maximum=MAX_SCOPES)

TAGS: Final = Section(
    build=TagRules,
    checks=(
        Constraint(
            expected="a requirement: immutable, digestRequired or forbidden",
            do="set one of them, or remove tags",
            got=_no_rule_for_tags,
            rule="self.immutable || self.digestRequired || (has(self.forbidden) && self.forbidden.size() > 0)",
        ),
    ),
    fields=(
        Field(
            "immutable",
            Flag(),
            "The tag must not be movable to another image. tidegate reads this from the repository's settings in"
            " Amazon ECR: all four mutability modes, with their exclusion filters. An image that is named by digest"
            " meets this. A tag of another registry never does, because its mutability is unknown. This ensures that"
            " the image that you tested is the image that runs.",
            default=False,
        ),
        Field(
            "digestRequired",
            Flag(),
            "The image must be named by digest; a tag may be added. Only this protects against a tag that"
            " is deleted and pushed again.",
            default=False,
        ),
        Field(
            "forbidden",
            ListOf(item=_TAG, maximum=MAX_FORBIDDEN_TAGS),
            "Tags that are not allowed, or globs. An image without tag and digest has the tag `latest`. Not applied"
            " to images named by digest, because the digest decides what runs.",
        ),
    ),
)

SCAN: Final = Section(
    build=ScanRules,
    fields=(
        Field(
            "whenPending",
            TOLERANCE,
            "What to do until the first scan is finished: `Deny` or `Allow`. With `Deny`, the message says"
            " so and asks to retry. With `Allow`, an image runs before it has been scanned.",
            default="Deny",
        ),
        Field(
            "whenExpired",
            TOLERANCE,
            "What to do with an image that Amazon Inspector no longer re-scans: Inspector closes its findings then, so an"
            " image without findings is not known to be clean.",
            default="Deny",
        ),
        Field(
            "whenUnsupported",
            TOLERANCE,
            "What to do with an image that the scanner does not support, such as one built from scratch.",
            default="Deny",
        ),
        Field(
            "maxAge",
            duration(MIN_SCAN_AGE, MAX_SCAN_AGE),
            "The longest time since the last scan, from `1m` to `365d`. Useful for basic scanning, which scans once"
            " on push and not again.",
        ),
        Field(
            "settlingPeriod",
            duration(timedelta(0), MAX_SETTLING),
            "How long findings may still arrive after the push or the first scan; until then the image counts as"
            " pending. Inspector reports a scan as done before all of its findings are available. The last scan counts"
            " as the first one unless an earlier one is proved. From `0s` (off) to `1h`.",
            default="2m",
        ),
    ),
)

# parse_platform accepts every text that the pattern does; a test checks it.
PLATFORMS: Final = ListOf(
    item=Text(
        expected="a platform such as linux/amd64 or linux/arm64",
        do="write os/architecture",
        make=parse_platform,
        maximum=194,
        pattern=PLATFORM_PATTERN,
        by_rule=True,
    ),
    maximum=MAX_PLATFORMS,
    unique=True,
)

MAX_STALE: Final = duration(timedelta(0), MAX_STALENESS)
