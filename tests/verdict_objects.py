"""ImageVerdict objects as a cluster has them: a small shop, a large cluster, and texts that an attacker chose."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.checks.result import Outcome
from tidegate.images.digest import Digest
from tidegate.images.reference import parse_reference
from tidegate.reports.model import Inventory
from tidegate.reports.report_entry import ReportEntry
from tidegate.verdicts.shape import StoredResult, object_name
from tidegate.verdicts.usage import OwningWorkload

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
NOW = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=document.title='owned'>",
    "'; DROP TABLE images; --",
    "{{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe\u202c",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "a\x1b[2Jb\x00c\nd",
    "</style></title></summary></details><h1>owned</h1>",
    "javascript:alert(1)",
)
"""Texts for every field that an attacker can choose: markup, quotes, templates, direction marks, control characters."""


def digest_of(seed: object) -> str:
    return f"sha256:{hashlib.sha256(str(seed).encode()).hexdigest()}"


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def result(
    reason: str, message: str, *, check: str = "vulnerabilities", outcome: str = "Fail", remedy: str = "", **more: str
) -> dict[str, Any]:
    return {"check": check, "outcome": outcome, "reason": reason, "message": message, "remedy": remedy, **more}


def policy(
    name: str, namespaces: Sequence[str], *results: Mapping[str, Any], actions: Sequence[str] = ("Audit",), **more: Any
) -> dict[str, Any]:
    """Return what a policy says; its outcome is the worst of its results."""
    outcomes = {one["outcome"] for one in results}
    worst = next((one for one in ("Fail", "Undetermined", "Exempt") if one in outcomes), "Pass")
    return {
        "name": name,
        "generation": 1,
        "actions": list(actions),
        "outcome": worst,
        "namespaces": list(namespaces),
        "results": list(results),
        **more,
    }


def runs(namespace: str, *workloads: str, pods: int = 1, since: str | None = None) -> dict[str, Any]:
    """Return where an image runs; workloads are texts such as ``Deployment/web``."""
    named = [dict(zip(("kind", "name"), one.split("/", 1), strict=True)) for one in workloads]
    return {"name": namespace, "pods": pods, "since": since or ago(days=20), "workloads": named}


def name_of(repository: str, digest: str) -> str:
    found = parse_reference(f"{REGISTRY}/{repository}@{digest}").ecr
    assert found
    return object_name(found, Digest(digest))


def verdict(
    repository: str,
    seed: object,
    *,
    policies: Sequence[Mapping[str, Any]] = (),
    where: Sequence[Mapping[str, Any]] = (),
    tags: Sequence[str] = ("v1",),
    since: str | None = None,
    **status: Any,
) -> dict[str, Any]:
    """Return an ImageVerdict; its outcome is the worst of its policies."""
    outcomes = {one["outcome"] for one in policies}
    worst = next((one for one in ("Fail", "Undetermined", "Exempt") if one in outcomes), "Pass")
    digest = digest_of((repository, seed))
    failing = [each for one in policies for each in one["results"] if each["outcome"] in {"Fail", "Undetermined"}]
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "ImageVerdict",
        "metadata": {"name": name_of(repository, digest)},
        "spec": {"repository": f"{REGISTRY}/{repository}", "digest": digest},
        "status": {
            "writtenAt": ago(minutes=4),
            "outcome": worst,
            "refused": any(one["outcome"] in {"Fail", "Undetermined"} and "Deny" in one["actions"] for one in policies),
            "since": since or ago(days=30),
            "reasons": list(dict.fromkeys(each["reason"] for each in failing)),
            "message": _line(failing[0]) if failing else "",
            "policies": list(policies),
            "runs": {
                "pods": sum(one["pods"] for one in where),
                "namespaces": list(where),
                "tags": list(tags),
            },
            **status,
        },
    }


def _line(one: Mapping[str, Any]) -> str:
    return f"{one['check']} {one['reason']}: {one['message']}"[:300]


def entries_of(inventory: Inventory) -> list[ReportEntry]:
    """Return an entry of a PolicyReport for each row of the images, and for each workload that a policy lets through."""
    found = []
    for image in inventory.images:
        passing = StoredResult(check="", outcome=Outcome.PASS, reason="")
        rows = [(row.policy, row.namespace, row.workload, row.result) for row in image.rows()]
        uses = {use.name: use.workloads for use in image.status.runs.namespaces}
        for one in image.status.policies:
            for space in one.namespaces if one.outcome is Outcome.PASS else ():
                rows += [(one, space, workload, passing) for workload in uses.get(space) or (None,)]
        for judgement, space, workload, given in rows:
            entry = ReportEntry(
                namespace=space,
                workload=None if workload is None else OwningWorkload(kind=workload.kind, name=workload.name),
                image=image.name,
                policy=judgement.name,
                actions=tuple(action.value for action in judgement.actions),
                outcome=given.outcome,
                check=given.check,
                reason=given.reason,
                message=given.message,
                remedy=given.remedy,
                exception=given.exception,
                severity=image.severity if given.check == "vulnerabilities" else "",
            )
            found.append(entry)
    return found


def shop() -> list[dict[str, Any]]:
    """Return a cluster as a reader of the documentation would have it: six images in four namespaces."""
    critical = result(
        "VulnerabilitiesFound",
        "2 CRITICAL (allowed 0): CVE-2023-38545 in curl 7.88.1-10; CVE-2023-45853 in zlib 1.2.13",
        remedy="update curl to the fixed version, then rebuild and push the image",
    )
    unsigned = result(
        "SignatureMissing",
        "no signature by any of: release, ci",
        check="signatures",
        remedy="have one of the authorities sign the image",
    )
    mutable = result(
        "TagMutable",
        "the tag latest can be moved to another image",
        check="tags",
        remedy="make the tags of the repository immutable, or refer to the image by digest",
    )
    unknown = result(
        "CouldNotCheck",
        "Amazon Inspector did not answer in time",
        check="scan",
        outcome="Undetermined",
        remedy="retry, and tell the platform team if it persists",
    )
    exempt = result("SignatureMissing", "no signature by any of: release", check="signatures", outcome="Exempt")
    exempt["exception"] = "legacy-importer-until-friday"
    findings = [
        {
            "id": "CVE-2023-38545",
            "severity": "CRITICAL",
            "package": "curl",
            "installed": "7.88.1-10",
            "fixedIn": "7.88.1-10+deb12u4",
            "firstObservedAt": ago(days=2),
        },
        {"id": "CVE-2023-45853", "severity": "CRITICAL", "package": "zlib", "installed": "1.2.13"},
    ]
    children = [
        {
            "digest": digest_of(platform),
            "platform": platform,
            "scan": "Scanned",
            "lastScannedAt": ago(hours=3),
            "findings": 2,
        }
        for platform in ("linux/amd64", "linux/arm64")
    ]
    return [
        verdict(
            "shop/checkout",
            1,
            policies=[
                policy("baseline", ["shop", "shop-staging"], critical),
                policy("production", ["shop"], critical, actions=["Deny"]),
            ],
            where=[
                runs("shop", "Deployment/checkout", "CronJob/reconcile", pods=12),
                runs("shop-staging", "Deployment/checkout", pods=2),
            ],
            tags=["v1.14.2"],
            since=ago(days=2),
            severities={"CRITICAL": 2},
            findings=findings,
            images=children,
            signers=["arn:aws:signer:eu-central-1:123456789012:/signing-profiles/release"],
        ),
        verdict(
            "shop/web",
            1,
            policies=[policy("baseline", ["shop"], mutable)],
            where=[runs("shop", "Deployment/web", pods=6)],
            tags=["latest"],
        ),
        verdict(
            "data/importer",
            1,
            policies=[policy("baseline", ["data"], exempt), policy("strict", ["data"], critical)],
            where=[runs("data", "Job/import-2026-11", pods=1, since=ago(hours=2))],
            tags=["2026-11"],
            since=ago(days=9),
            severities={"CRITICAL": 1},
            findings=findings[:1],
        ),
        verdict(
            "data/warehouse",
            1,
            policies=[policy("baseline", ["data"], unsigned)],
            where=[runs("data", "StatefulSet/warehouse", pods=3)],
            since=ago(days=5),
        ),
        verdict(
            "ops/agent",
            1,
            policies=[policy("baseline", ["ops"], unknown)],
            where=[runs("ops", "DaemonSet/agent", pods=9)],
        ),
        verdict(
            "shop/cart",
            1,
            policies=[policy("baseline", ["shop"])],
            where=[runs("shop", "Deployment/cart", pods=4)],
            signers=["arn:aws:signer:eu-central-1:123456789012:/signing-profiles/release"],
        ),
        verdict(
            "data/exporter",
            1,
            policies=[policy("baseline", ["data"], exempt)],
            where=[runs("data", "Deployment/exporter", pods=1)],
        ),
    ]


def crowd(count: int) -> list[dict[str, Any]]:
    """Return so many refused images, each of a workload and namespace with a name as long as Kubernetes allows."""
    found = []
    for number in range(count):
        namespace = f"team-{number % 97:02}-".ljust(63, "n")
        name = f"service-{number:05}-".ljust(63, "w")
        failing = result("VulnerabilitiesFound", f"{number} CRITICAL (allowed 0)", remedy="update the package")
        found.append(
            verdict(
                f"team/{number:05}",
                number,
                policies=[policy("baseline".ljust(63, "p"), [namespace], failing)],
                where=[runs(namespace, f"Deployment/{name}")],
                tags=["t" * 128],
                since=ago(days=number % 40),
            )
        )
    return found


def hostile() -> list[dict[str, Any]]:
    """Return verdicts in which every text is one of HOSTILE."""
    found = []
    for number, text in enumerate(HOSTILE):
        failing = result(text[:64], text, check=text[:64], remedy=text, exception=text)
        exempt = result(text[:64], text, check=text[:64], outcome="Exempt", remedy=text, exception=text)
        space = text[:63]
        one = verdict(
            f"team/x{number}",
            number,
            policies=[policy(text, [space], failing), policy(text, [space], exempt)],
            where=[runs(space, f"{text[:20].replace('/', '')}/{text}")],
            tags=[text],
            since=ago(days=1),
            signers=[text],
            severities={"CRITICAL": 1},
            findings=[{"id": text, "severity": text[:32], "package": text, "installed": text, "fixedIn": text}],
            images=[{"digest": digest_of(number), "platform": text, "scan": text[:32]}],
        )
        found.append(one)
    return found
