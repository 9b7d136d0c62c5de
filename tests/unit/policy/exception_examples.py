"""Specs of exceptions that the unit tests give to the parser and the end-to-end tests give to the API server.

Both must agree on each of them, for both kinds: ``namespaces`` is left out of a namespaced one.
"""

import copy
from typing import Any

from tests.unit.policy.examples import ACCOUNT, ECR, HUB
from tests.unit.policy.refusal import UNKNOWN, Refused
from tidegate.policy.exception_object import KIND, NAMESPACED_KIND

FULL: dict[str, Any] = {
    "policies": ["production", "signed.v2"],
    "checks": ["tags", "signatures"],
    "images": [
        {"account": ACCOUNT, "region": "eu-west-1", "repositories": ["shop/**"]},
        {"account": ACCOUNT, "partition": "aws-cn", "repositories": ["**"]},
        {"host": "ghcr.io", "repositories": ["shop/web"]},
    ],
    "namespaces": ["shop", "team-*"],
    "expiresAt": "2027-01-31T18:00:00Z",
    "reason": "the fix is due on Monday",
    "requestedBy": "ann@example.com",
}


def spec(**changes: Any) -> dict[str, Any]:
    """Return a spec with changes; a field that is None is left out."""
    made = {name: value for name, value in (FULL | changes).items() if value is not None}
    return copy.deepcopy(made)


def by_id(*ids: str, **changes: Any) -> dict[str, Any]:
    return spec(checks=None, vulnerabilities=list(ids), **changes)


def with_spec(written: Any, *, kind: str = KIND, name: str = "example", **metadata: Any) -> dict[str, Any]:
    """Return a whole object around a spec; of the namespace ``shop`` where the kind has namespaces."""
    place = {"namespace": "shop"} if kind == NAMESPACED_KIND else {}
    identity = {"name": name, "uid": "5c3d", "generation": 4} | place | metadata
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": kind,
        "metadata": identity,
        "spec": copy.deepcopy(written),
    }


ACCEPTED: dict[str, dict[str, Any]] = {
    "everything": FULL,
    "every check": spec(
        checks=["registries", "tags", "scan", "vulnerabilities", "signatures", "attestations", "repository"],
    ),
    "one vulnerability": by_id("CVE-2026-0001"),
    "a hundred vulnerabilities": by_id(*(f"GHSA-{number}" for number in range(100))),
    "the longest id": by_id("C" * 128),
    "twenty policies": spec(policies=[f"p{number}" for number in range(20)]),
    "a scope without repositories": spec(images=[ECR | {"repositories": ["**"]}]),
    "a host": spec(images=[HUB | {"repositories": ["**"]}]),
    "ten scopes of ten repositories": spec(
        images=[{"account": ACCOUNT, "repositories": [f"r{number}" for number in range(10)]}] * 10
    ),
    "every namespace": spec(namespaces=["**"]),
    "the longest reason": spec(reason="r" * 512),
    "a reason in another language": spec(reason="Grund: später behoben"),
    "the longest name": spec(requestedBy="n" * 253),
    "a time far away": spec(expiresAt="2999-12-31T23:59:59Z"),
    "a leap day": spec(expiresAt="2028-02-29T00:00:00Z"),
}

NEITHER = "expected exactly one of checks and vulnerabilities"
TIME = "expected a time in UTC such as 2027-01-31T18:00:00Z"

REFUSED: dict[str, Refused] = {
    "nothing": Refused({}, "spec.policies: got nothing", "Required value"),
    "neither checks nor vulnerabilities": Refused(
        spec(checks=None), f"spec: got neither checks nor vulnerabilities, {NEITHER}", NEITHER
    ),
    "both checks and vulnerabilities": Refused(
        spec(vulnerabilities=["CVE-1"]), f"spec: got both checks and vulnerabilities, {NEITHER}", NEITHER
    ),
    "no policies": Refused(spec(policies=None), "spec.policies: got nothing", "spec.policies: Required value"),
    "an empty list of policies": Refused(
        spec(policies=[]), "spec.policies: got a list of 0, expected 1 to 20 items", "should have at least 1 items"
    ),
    "too many policies": Refused(
        spec(policies=[f"p{n}" for n in range(21)]), "spec.policies: got a list of 21", "must have at most 20 items"
    ),
    "every policy": Refused(
        spec(policies=["*"]),
        "spec.policies[0]: got '*', expected the name of an ImagePolicy",
        "should match '^[a-z0-9]",
    ),
    "a policy twice": Refused(spec(policies=["a", "a"]), "spec.policies: got 'a' twice", "Duplicate value"),
    "the built-in policy": Refused(
        spec(policies=["tidegate:self-check"]), "spec.policies[0]: got 'tidegate:self-check'", "should match '^[a-z0-9]"
    ),
    "an unknown check": Refused(spec(checks=["policy"]), "spec.checks[0]: got 'policy'", 'Unsupported value: "policy"'),
    "no check": Refused(spec(checks=[]), "spec.checks: got a list of 0", "should have at least 1 items"),
    "a check twice": Refused(spec(checks=["tags", "tags"]), "spec.checks: got 'tags' twice", "Duplicate value"),
    "too many checks": Refused(spec(checks=["tags"] * 8), "spec.checks: got a list of 8", "must have at most 7 items"),
    "no vulnerability": Refused(by_id(), "spec.vulnerabilities: got a list of 0", "should have at least 1 items"),
    "an empty id": Refused(by_id(""), "spec.vulnerabilities[0]: got ''", "should be at least 2 chars long"),
    "an id with a star": Refused(by_id("CVE-*"), "spec.vulnerabilities[0]: got 'CVE-*'", "should match '^[A-Za-z0-9]"),
    "an id that is too long": Refused(
        by_id("C" * 129), "spec.vulnerabilities[0]: got 'CCC", "may not be more than 128 bytes"
    ),
    "an id twice": Refused(by_id("CVE-1", "CVE-1"), "spec.vulnerabilities: got 'CVE-1' twice", "Duplicate value"),
    "too many ids": Refused(
        by_id(*(f"CVE-{n}" for n in range(101))),
        "spec.vulnerabilities: got a list of 101",
        "must have at most 100 items",
    ),
    "no images": Refused(spec(images=None), "spec.images: got nothing", "spec.images: Required value"),
    "an empty list of images": Refused(spec(images=[]), "spec.images: got a list of 0", "should have at least 1 items"),
    "too many scopes": Refused(spec(images=[HUB] * 11), "spec.images: got a list of 11", "must have at most 10 items"),
    "every registry": Refused(
        spec(images=[{"repositories": ["**"]}]),
        "spec.images[0]: got neither account nor host",
        "expected exactly one of account and host",
    ),
    "every host": Refused(spec(images=[{"host": "*"}]), "spec.images[0].host: got '*'", "should match '^([a-z0-9]"),
    "every account": Refused(
        spec(images=[{"account": "*"}]), "spec.images[0].account: got '*'", "should be at least 12 chars long"
    ),
    "too many repositories": Refused(
        spec(images=[ECR | {"repositories": ["r"] * 11}]),
        "spec.images[0].repositories: got a list of 11",
        "must have at most 10 items",
    ),
    "a pattern that is none": Refused(
        spec(images=[ECR | {"repositories": ["(a+)+$"]}]),
        "spec.images[0].repositories[0]: got '(a+)+$'",
        "expected a repository name or a glob",
    ),
    "a repository that is too long": Refused(
        spec(images=[ECR | {"repositories": ["r" * 257]}]),
        "spec.images[0].repositories[0]: got 'rrr",
        "may not be more than 256 bytes",
    ),
    "a tag of an image": Refused(
        spec(images=[ECR | {"tag": "v1"}]), "spec.images[0].tag: got a field that does not exist here", UNKNOWN
    ),
    "no end": Refused(spec(expiresAt=None), "spec.expiresAt: got nothing", "spec.expiresAt: Required value"),
    "an end without a time": Refused(
        spec(expiresAt="2027-01-31"), f"spec.expiresAt: got '2027-01-31', {TIME}", "should be at least 20 chars long"
    ),
    "an end in another zone": Refused(
        spec(expiresAt="2027-01-31T18:00:00+01:00"),
        f"spec.expiresAt: got '2027-01-31T18:00:00+01:00', {TIME}",
        "may not be more than 20 bytes",
    ),
    "an end with fractions": Refused(
        spec(expiresAt="2027-01-31T18:00:00.5Z"), "spec.expiresAt: got '2027", "may not be more than 20 bytes"
    ),
    "an end that is no day": Refused(
        spec(expiresAt="2027-02-30T00:00:00Z"),
        f"spec.expiresAt: got '2027-02-30T00:00:00Z', {TIME}",
        "must be of type date-time",
    ),
    "an end in the past millennium": Refused(
        spec(expiresAt="1999-01-31T00:00:00Z"), "spec.expiresAt: got '1999", "should match '^2[0-9]"
    ),
    "a duration": Refused(
        spec(expiresAt="4h"), f"spec.expiresAt: got '4h', {TIME}", "should be at least 20 chars long"
    ),
    "no reason": Refused(spec(reason=None), "spec.reason: got nothing", "spec.reason: Required value"),
    "a blank reason": Refused(spec(reason="  "), "spec.reason: got '  '", "that is not blank"),
    "a reason of two lines": Refused(spec(reason="a\nb"), "spec.reason: got 'a\\nb'", "that is not blank"),
    "a reason that is too long": Refused(
        spec(reason="r" * 513), "spec.reason: got 'rrr", "may not be more than 512 bytes"
    ),
    "no requester": Refused(
        spec(requestedBy=None), "spec.requestedBy: got nothing", "spec.requestedBy: Required value"
    ),
    "a name that forges a line": Refused(
        spec(requestedBy="ann\nby bob"), "spec.requestedBy: got 'ann\\nby bob'", "without spaces around it"
    ),
    "a name that is too long": Refused(
        spec(requestedBy="n" * 254), "spec.requestedBy: got 'nnn", "may not be more than 253 bytes"
    ),
    "an unknown field": Refused(spec(actions=["Deny"]), "spec.actions: got a field that does not exist here", UNKNOWN),
    "a number for an id": Refused(by_id(7), "spec.vulnerabilities[0]: got the number 7", "must be of type string"),  # type: ignore[arg-type]
}

REFUSED_OF_CLUSTER: dict[str, Refused] = {
    "no namespaces": Refused(spec(namespaces=None), "spec.namespaces: got nothing", "spec.namespaces: Required value"),
    "an empty list of namespaces": Refused(
        spec(namespaces=[]), "spec.namespaces: got a list of 0", "should have at least 1 items"
    ),
    "too many namespaces": Refused(
        spec(namespaces=["a"] * 51), "spec.namespaces: got a list of 51", "must have at most 50 items"
    ),
    "a namespace that is none": Refused(
        spec(namespaces=["A"]), "spec.namespaces[0]: got 'A'", "expected a namespace name or a glob"
    ),
    "a namespace that is too long": Refused(
        spec(namespaces=["a" * 64]), "spec.namespaces[0]: got 'aaa", "may not be more than 63 bytes"
    ),
}
REFUSED_OF_NAMESPACE: dict[str, Refused] = {
    "other namespaces": Refused(FULL, "spec.namespaces: got a field that does not exist here", UNKNOWN),
}


def for_kind(written: Any, kind: str) -> Any:
    """Return a spec as the kind has it: without ``namespaces`` for the namespaced one."""
    if kind == KIND or not isinstance(written, dict):
        return written
    return {name: value for name, value in written.items() if name != "namespaces"}
