"""The page of figures, written from what was measured, and read again. It holds no figure of its own.

A figure that misses its aim is marked as missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

AIMS = {
    "cold by digest, times its slowest call": 1.3,
    "cold by tag, times its slowest call": 1.3,
    "layers between reviewer and boto3, DescribeImages": 11,
    "calls for 1,000 Pods of 1,000 new images": 250,
    "slowest of 1,000 Pods of one new image, s": 0.5,
    "tidegate --help, processor time, s": 0.3,
    "start to ready, s": 3,
    "resident MiB with 10,000 images": 200,
    "resident MiB with 100,000 images": 200,
    "resident MiB after 1,000,000 requests over 20,000 images": 200,
    "added by the webhook, 1 connections, median ms": 1,
    "added by the webhook, 8 connections, median ms": 1,
}
"""The most that a figure may be."""
MANY_AIM = 0.8
"""The least that requests over 20,000 images may be, as a multiple of those over 1,000, for the same processor time."""
SLOWEST_AIM_MS = 10_000.0
"""The most that the slowest answer of a burst may take: the default timeout of a webhook."""
CONSTANT_AIM, STOCK_AIM = 0.7, 8.0
"""The least that tidegate's requests a second may be, as multiples of the two servers beside it."""
MISSED = " (missed)"
SERVING, COLD, VERIFICATION = "Warm requests", "Images that are not known yet", "Verification of one signature"
BURSTS, WALK = "Bursts of new connections", "The code behind one cold request"
FEW, MANY = "tidegate, 1000 distinct images", "tidegate, 20000 distinct images"
MEMORY, START_UP, APISERVER = "Memory", "Start of the command line", "Through the real kube-apiserver"
NODE = "Installed on a node"
CONSTANT, STOCK = "a constant answer on the same stack", "kopf's stock server, images read only"


def render(figures: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; change nothing here by hand. Machines differ and are noisy: compare within one run, and read",
        'ratios before absolute figures. All times are medians unless said. A figure that misses its aim is marked "missed".',
        "[Scale](scale.md) has the figures of the background role in large clusters.",
        "",
    ]
    if "serving" in figures:
        lines += _serving(figures["serving"])
    if "bursts" in figures:
        lines += _bursts(figures["bursts"])
    if "cold" in figures:
        lines += _plain(COLD, figures["cold"], _COLD)
    if "walk" in figures:
        lines += _plain(WALK, figures["walk"], _WALK)
    if "verification" in figures:
        lines += _verification(figures["verification"])
    if "memory" in figures:
        lines += _plain(MEMORY, figures["memory"], _MEMORY)
    if "start_up" in figures:
        lines += _plain(START_UP, figures["start_up"], _START_UP)
    if "apiserver" in figures:
        lines += _plain(APISERVER, figures["apiserver"], _APISERVER)
    if "node" in figures:
        lines += _plain(NODE, figures["node"], _NODE)
    return "\n".join(lines).rstrip() + "\n"


_COLD = (
    "`python -m tests.bench.cold`: engine and reviewer as in the controller, the simulated AWS in a process of its own with",
    "30 ms a call. By digest all calls start at once; by tag the digest has to be known before its scan can be asked for, so",
    "that two calls follow each other. A call lasts longer than the simulator's 30 ms by what HTTP and boto3 take.",
)
_WALK = (
    "`python -m tests.bench.walk`: the functions of tidegate that one AdmissionReview of a new image by tag enters, from the",
    "webhook's server to boto3 and back, and the files that they are in. It lists them. Comprehensions are not counted, and a",
    "change of package is a function that is entered after one of another package. Layers are the functions that lead from the",
    "reviewer to one call; the [decision on them](../adr/0008-layers-to-aws.md) says what each is for.",
)
_MEMORY = (
    "`python -m tests.bench.memory COUNT`: the controller's imports, COUNT distinct images judged and cached, ten findings",
    "each. The bound is `cache.images`, 50,000 by default. The last row sends requests for the images in turn as well.",
)
_START_UP = (
    "`python -m tests.bench start_up`: processor time of the whole process. Each subcommand is imported when it is called.",
)
_APISERVER = (
    "`python -m tests.bench.apiserver`: the same Pod created as a server-side dry run, in turns with and without the webhook.",
    "API server, etcd, client and controller share the machine's cores, which a cluster's do not.",
)
_NODE = (
    "`python -m tests.bench node`: the image on a node with kubelet and containerd, the chart with its defaults, and 200",
    "requests a second through the API server and the chart's Service while replicas go. No request was decided wrongly. A",
    "killed replica fails requests until the cluster takes its Pod out of the Service: the kubelet looks for ended containers",
    "once a second. Since Kubernetes 1.37 the API server chooses a Pod for each request, so that of N replicas the lost one's",
    "Nth part fails; before, only new connections met it. The time is the cluster's; more replicas make the part smaller. An",
    "eviction and a rolling restart lose nothing.",
)


def _serving(figures: dict[str, Any]) -> list[str]:
    # Ratios are those of the figures that the page shows, so that a reader gets the same ones.
    rows = {
        key: value | {"rps": round(value["rps"]), "cpu_us": round(value["cpu_us"])}
        for key, value in figures.items()
        if not key.startswith("_")
    }
    lines = [
        f"## {SERVING}",
        "",
        "`python -m tests.bench serving`: the whole product on one core, wrk on another, a 7 KB Pod over TLS on kept-alive",
        f"connections, all rows in one run. Aims: {CONSTANT_AIM} times the constant answer, {STOCK_AIM:.0f} times kopf's stock server.",
        "",
        f"Measured {figures['_machine']}.",
        "",
        "| server | connections | requests/s | times constant | times stock kopf | CPU µs/request | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, row in sorted(rows.items(), key=lambda item: int(item[0].rsplit("|", 1)[1])):
        name, connections = key.rsplit("|", 1)
        beside = [
            f"{times:.{digits}f}{MISSED if name.startswith('tidegate') and round(times, digits) < aim else ''}"
            for server, aim, digits in ((CONSTANT, CONSTANT_AIM, 2), (STOCK, STOCK_AIM, 1))
            for times in [row["rps"] / rows[f"{server}|{connections}"]["rps"]]
        ]
        lines.append(
            f"| {name} | {connections} | {row['rps']:,.0f} | {beside[0]} | {beside[1]} "
            f"| {row['cpu_us']:.0f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} |"
        )
    many = [
        f"{connections} connections: {ratio:.2f}{MISSED if round(ratio, 2) < MANY_AIM else ''}"
        for key, row in rows.items()
        for name, connections in [key.rsplit("|", 1)]
        if name == MANY
        for ratio in [rows[f"{FEW}|{connections}"]["cpu_us"] / row["cpu_us"]]
    ]
    if many:
        lines += [
            "",
            f"Requests a second of processor time over 20,000 images, as a multiple of those over 1,000 (aim: {MANY_AIM}):",
            f"{'; '.join(many)}.",
            "Each of these samples takes a minute, in which every tag is looked up again.",
        ]
    return [*lines, ""]


def _bursts(figures: dict[str, Any]) -> list[str]:
    lines = [
        f"## {BURSTS}",
        "",
        "`python -m tests.bench bursts`: the whole product on one core. So many new TLS connections are begun at once on another",
        "core, each with one review of a known image. Times count from the beginning of the burst. Aims: all are answered, the",
        f"slowest in {SLOWEST_AIM_MS / 1000:.0f} s.",
        "",
        f"Measured {figures['_machine']}.",
        "",
        "| connections | answered | median ms | p99 ms | slowest ms |",
        "|---|---|---|---|---|",
    ]
    for count, row in figures.items():
        if not count.startswith("_"):
            lost = MISSED if row["answered"] < int(count) else ""
            late = MISSED if row["slowest_ms"] > SLOWEST_AIM_MS else ""
            lines.append(
                f"| {int(count):,} | {row['answered']:,.0f}{lost} "
                f"| {row['median_ms']:,.0f} | {row['p99_ms']:,.0f} | {row['slowest_ms']:,.0f}{late} |"
            )
    return [*lines, ""]


def _verification(figures: dict[str, Any]) -> list[str]:
    lines = [
        f"## {VERIFICATION}",
        "",
        "`python -m tests.bench verification`. Cold: trust stores and keys of the policy are parsed first. Warm: they are parsed",
        "already, as they are for every policy in force. Remembered: what the next Pod of the image costs. These three are",
        "processor time; the answers of AWS Signer are given, so that nothing waits. The last two columns are the wall time of the",
        "whole process of `notation` or `cosign` for the same artifact: its start (what its `version` takes), its files, and",
        "cosign's requests to a registry on loopback. AWS Signer's signatures have no program beside them: notation needs AWS's",
        "plugin, which asks AWS.",
        "",
        f"Measured {figures['_machine']}.",
        "",
        "| signature | cold µs | warm µs | remembered µs | program | its process ms | of that its start ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        if not name.startswith("_"):
            times = f"{row['cold_us']:,.0f} | {row['warm_us']:,.0f} | {row['remembered_us']:,.1f}"
            beside = (
                f"{row['program']} | {row['program_ms']:,.1f} | {row['start_ms']:,.1f}" if "program" in row else "- | |"
            )
            lines.append(f"| {name} | {times} | {beside} |")
    return [*lines, ""]


def _plain(title: str, figures: dict[str, Any], text: tuple[str, ...]) -> list[str]:
    lines = [f"## {title}", "", *text, "", f"Measured {figures['_machine']}.", ""]
    lines += ["| figure | measured | aim |", "|---|---|---|"]
    lines += [
        f"| {name} | {value:,.4g} | {_aim(name, value)} |"
        for name, value in figures.items()
        if not name.startswith("_")
    ]
    return [*lines, ""]


def _aim(name: str, value: float) -> str:
    aim = AIMS.get(name)
    return "" if aim is None else f"at most {aim:g}{MISSED if value > aim else ''}"


def read(page: str) -> dict[str, Any]:
    """Return the figures that a page was written from, as exactly as it shows them."""
    found: dict[str, Any] = {}
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        key, reader = _PARTS[part.partition("\n")[0]]
        table = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line] for line in table[2:]]
        machine = re.findall(r"^Measured (.+)\.$", part, re.MULTILINE)[0]
        found[key] = dict(map(reader, rows)) | {"_machine": machine}
    return found


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _read_serving(row: list[str]) -> tuple[str, Any]:
    name, connections, rps, _, _, cpu, p50, p99 = row
    return f"{name}|{connections}", {
        "rps": _number(rps),
        "cpu_us": _number(cpu),
        "p50_ms": _number(p50),
        "p99_ms": _number(p99),
    }


def _read_bursts(row: list[str]) -> tuple[str, Any]:
    count, *figures = (_number(cell.removesuffix(MISSED)) for cell in row)
    return f"{count:.0f}", dict(zip(("answered", "median_ms", "p99_ms", "slowest_ms"), figures, strict=True))


def _read_verification(row: list[str]) -> tuple[str, Any]:
    name, cold, warm, remembered, program, whole, start = row
    times: dict[str, Any] = {
        "cold_us": _number(cold),
        "warm_us": _number(warm),
        "remembered_us": _number(remembered),
    }
    if program != "-":
        times |= {"program": program, "program_ms": _number(whole), "start_ms": _number(start)}
    return name, times


def _read_plain(row: list[str]) -> tuple[str, Any]:
    return row[0], _number(row[1])


_PARTS: Mapping[str, tuple[str, Callable[[list[str]], tuple[str, Any]]]] = MappingProxyType(
    {
        SERVING: ("serving", _read_serving),
        BURSTS: ("bursts", _read_bursts),
        COLD: ("cold", _read_plain),
        WALK: ("walk", _read_plain),
        VERIFICATION: ("verification", _read_verification),
        MEMORY: ("memory", _read_plain),
        START_UP: ("start_up", _read_plain),
        APISERVER: ("apiserver", _read_plain),
        NODE: ("node", _read_plain),
    }
)
