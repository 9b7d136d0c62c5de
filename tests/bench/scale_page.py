"""The page about scale: what ``make bench ARGS=scale`` measured, carried on by arithmetic. It holds no figure of its own.

A figure that misses its aim is marked as missed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.bench.page import MISSED
from tests.bench.scale import BARE, SAMPLE, SAMPLED
from tidegate.background.writer import WRITES_AT_ONCE

AIMS = {
    "a finding at AWS to the new verdict by polling alone, s": 300,
    "a finding at AWS to the new verdict by an event, s": 5,
    "a changed policy: s until all are judged": 5,
    "a changed policy: s until all are written": 5,
    "SIGKILL of the leader until another leads, s": 15,
    "largest resident MiB of a replica": 300,
    "bytes of an ImageVerdict, median": 4_096,
    "bytes of an ImageVerdict, largest": 65_536,
}
"""The most that a figure may be."""
CALLS_A_SECOND = 2
"""The default of `background.callsPerSecond`."""
ASSUMED_CALLS_A_SECOND = (10, 20)
"""What Amazon Inspector is assumed to take of an account in a region: AWS publishes no number."""
CLUSTERS, MANY_IMAGES = 100, 100_000
MINUTES_OF_A_DAY = 1_440
POLLS_A_MINUTE = 2
DATABASE_MIB = 2_048
"""etcd's default `--quota-backend-bytes`."""
MEASURED = "Measured"
WRITTEN = "a changed policy: s until all are written"


def render(figures: Mapping[str, Any]) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Scale",
        "",
        "Written by `make bench ARGS=scale`; change nothing here by hand. The [background role](../concepts/background.md) with",
        "two replicas, on the real kube-apiserver and etcd, with a simulated AWS that takes 30 ms a call. A figure that misses its",
        'aim is marked "missed".',
        "",
        f"## {MEASURED}",
        "",
        "Each image has ten findings and two Pods, in a Deployment of its own; 50 images are in a repository, and two repositories",
        "in a namespace. The first 500 images are read with the chart's defaults, which fill the calls best; all are read with 20",
        "calls a second instead of 2. After that both replicas start anew with the defaults and a queue of events. All programs,",
        "and others that were tested beside them, shared the machine's cores, which a cluster's do not.",
        "",
        f"Measured {figures['_machine']}.",
        "",
        "| figure | measured | aim |",
        "|---|---|---|",
        *(f"| {name} | {_text(value)} | {_aim(name, value)} |" for name, value in figures.items() if name[0] != "_"),
        "",
        "Judging by a changed policy takes no calls. The calls in these rows are those of the change feed and of the daily re-read. All",
        "verdicts change with this policy, and the leader judges all images before it writes. The API server decides how fast it writes:",
        f"the leader sends {WRITES_AT_ONCE} writes at once, and API priority and fairness by default has about 245 seats for the service",
        "accounts of a cluster. The leader writes verdicts that turned bad first.",
        *_bare(figures),
        "",
        *_carried_on(figures),
    ]
    return "\n".join(lines) + "\n"


def read(page: str) -> dict[str, Any]:
    """Return the figures that a page was written from, as exactly as it shows them."""
    part = page.partition(f"## {MEASURED}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    machine = re.findall(r"^Measured (.+)\.$", part, re.MULTILINE)[0]
    return {name: float(value.replace(",", "")) for name, value, _ in rows[2:]} | {"_machine": machine}


def _bare(figures: Mapping[str, Any]) -> list[str]:
    """Say how much of the time for all writes is the API server's own."""
    if BARE not in figures:
        return []
    bare, written = (float(_text(figures[name]).replace(",", "")) for name in (BARE, WRITTEN))
    return [
        f"A bare client that replaces the same objects over {WRITES_AT_ONCE} connections, while no replica runs, takes {_text(bare)} s: the",
        f"API server and etcd account for that part of the {_text(written)} s, {bare / written:.0%}. The rest is the leader's own work, and what the",
        "API server sends both replicas about each write.",
    ]


def _carried_on(figures: Mapping[str, Any]) -> list[str]:
    known = {name: float(_text(value).replace(",", "")) for name, value in figures.items() if name[0] != "_"}
    images = known["images"]
    calls = sum(value for name, value in known.items() if _asks_about_images(name)) / SAMPLE
    inspector = (
        sum(value for name, value in known.items() if _asks_about_images(name) and "inspector2" in name) / SAMPLE
    )
    verdicts = known["MiB of all ImageVerdicts"]
    many = MANY_IMAGES / images

    def row(title: str, one: float, large: float, hundred: float, unit: str = "") -> str:
        cells = (f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in (one, large, hundred))
        return f"| {title}{unit} | {' | '.join(cells)} |"

    hours = images * calls / CALLS_A_SECOND / 3_600
    reread = calls * images / MINUTES_OF_A_DAY
    steady = POLLS_A_MINUTE + reread
    asked = (POLLS_A_MINUTE + inspector * images / MINUTES_OF_A_DAY) / 60
    low, high = ASSUMED_CALLS_A_SECOND
    return [
        "## Carried on by arithmetic",
        "",
        f"An image took {calls:.3g} calls, of these {inspector:.3g} to Amazon Inspector: ten images go into one call. A registry takes",
        f"{POLLS_A_MINUTE} calls a minute for changes, and every image is read again within a day. All clusters use one registry. A",
        "cluster asks for itself: clusters share no answers. Of an index each child counts as an image.",
        "",
        f"| | 1 cluster, {images:,.0f} images | 1 cluster, {MANY_IMAGES:,} images | {CLUSTERS} clusters, {images:,.0f} images each |",
        "|---|---|---|---|",
        row("calls to read all images once", images * calls, MANY_IMAGES * calls, CLUSTERS * images * calls),
        row("hours for it at 2 calls a second and cluster", hours, hours * many, hours),
        row("calls a second meanwhile", CALLS_A_SECOND, CALLS_A_SECOND, CALLS_A_SECOND * CLUSTERS),
        row("calls a minute afterwards", steady, POLLS_A_MINUTE + reread * many, steady * CLUSTERS),
        row(
            "calls a second to Amazon Inspector afterwards",
            asked,
            (POLLS_A_MINUTE + inspector * MANY_IMAGES / MINUTES_OF_A_DAY) / 60,
            asked * CLUSTERS,
        ),
        row("MiB of ImageVerdicts in a cluster's etcd", verdicts, verdicts * many, verdicts),
        "",
        "The second column is beyond what one cluster supports: replicas keep the facts of 50,000 stored verdicts and use no more.",
        f"etcd takes {DATABASE_MIB:,} MiB by default.",
        "",
        "## Which quota breaks first",
        "",
        "That of Amazon Inspector's `ListFindings` and `ListCoverage`. AWS publishes no rate for them, nor for `DescribeImages`. We",
        f"assume {low} to {high} calls a second for an account in a region; Service Quotas in your account may know more. The rates that",
        "[AWS publishes for ECR](https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html), such as 2,000 a second for",
        "`BatchGetImage`, are far away.",
        "",
        f"- The background role of one cluster never calls more than {CALLS_A_SECOND} times a second, and so never breaks it.",
        f"- {CLUSTERS} clusters that are installed at one time call {CALLS_A_SECOND * CLUSTERS} times a second:",
        f"  {CALLS_A_SECOND * CLUSTERS // high} to {CALLS_A_SECOND * CLUSTERS // low} times what is assumed.",
        f"- {CLUSTERS} clusters that have read their images call Amazon Inspector {asked * CLUSTERS:.2g} times a second.",
        f"- A vulnerability of a shared base image makes all of them read at {CALLS_A_SECOND} calls a second again.",
        "",
        "If AWS throttles, each replica slows down by itself, and webhooks that ask the same account wait too. Do this:",
        "",
        f"1. Install clusters one after the other, {max(1, low // CALLS_A_SECOND)} at a time.",
        f"2. Lower `background.callsPerSecond` to {low} divided by the number of clusters: {low / CLUSTERS:g} for {CLUSTERS} clusters. It makes",
        "   filling, and news about many images at once, slower by the same factor.",
        "3. Replicate images to a registry in another region or account for some of the clusters: each account and region has quotas of",
        "   its own.",
        "4. Ask AWS to raise the quota.",
    ]


def _asks_about_images(name: str) -> bool:
    return name.startswith(f"{SAMPLED}: calls of ") and ("ecr " in name or "inspector2 " in name)


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.4g}"


def _aim(name: str, value: float) -> str:
    aim = AIMS.get(name)
    return "" if aim is None else f"at most {aim:,}{MISSED if value > aim else ''}"
