"""The page of figures, written from what was measured. It holds no figure of its own."""

from __future__ import annotations

from typing import Any

AIMS = {
    "cold by digest, times its slowest call": "1.3",
    "cold by tag, times its slowest call": "1.3",
    "calls for 1,000 Pods of 1,000 new images": "250",
    "slowest of 1,000 Pods of one new image, s": "0.5",
    "start to ready, s": "3",
    "resident MiB with 10,000 images": "200",
    "resident MiB with 100,000 images": "200",
    "added by the webhook, 1 connections, median ms": "1",
    "added by the webhook, 8 connections, median ms": "1",
}
CONSTANT, STOCK = "a constant answer on the same stack", "kopf's stock server, images read only"


def render(figures: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; change nothing here by hand. Machines differ and are noisy: compare within one run, and read",
        "ratios before absolute figures. All times are medians unless said.",
        "",
    ]
    if "serving" in figures:
        lines += _serving(figures["serving"])
    if "cold" in figures:
        lines += _plain("Images that nobody knows yet", figures["cold"], _COLD)
    if "verification" in figures:
        lines += _verification(figures["verification"])
    if "memory" in figures:
        lines += _plain("Memory", figures["memory"], _MEMORY)
    if "apiserver" in figures:
        lines += _plain("Through the real kube-apiserver", figures["apiserver"], _APISERVER)
    return "\n".join(lines).rstrip() + "\n"


_COLD = (
    "`python -m tests.bench.cold`: engine and reviewer as in the controller, the simulated AWS in a process of its own with",
    "30 ms a call. By digest all calls start at once; by tag the digest has to be known before its scan can be asked for, so",
    "that two calls follow each other. A call lasts longer than the simulator's 30 ms by what HTTP and boto3 take.",
)
_MEMORY = (
    "`python -m tests.bench.memory COUNT`: the controller's imports, COUNT distinct images judged and cached, ten findings",
    "each. The bound is `cache.images`, 50,000 by default.",
)
_APISERVER = (
    "`python -m tests.bench.apiserver`: the same Pod created as a server-side dry run, in turns with and without the webhook.",
    "API server, etcd, client and controller share the machine's cores, which a cluster's do not.",
)


def _serving(figures: dict[str, Any]) -> list[str]:
    rows = {key: value for key, value in figures.items() if not key.startswith("_")}
    lines = [
        "## Warm requests",
        "",
        "`python -m tests.bench serving`: the whole product on one core, wrk on another, a 7 KB Pod over TLS on kept-alive",
        "connections, all rows in one run. Aims: 0.7 times the constant answer, 8 times kopf's stock server.",
        "",
        f"Measured {figures['_machine']}.",
        "",
        "| server | connections | requests/s | times constant | times stock kopf | CPU µs/request | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, row in sorted(rows.items(), key=lambda item: int(item[0].rsplit("|", 1)[1])):
        name, connections = key.rsplit("|", 1)
        constant, stock = rows[f"{CONSTANT}|{connections}"], rows[f"{STOCK}|{connections}"]
        lines.append(
            f"| {name} | {connections} | {row['rps']:,.0f} | {row['rps'] / constant['rps']:.2f} "
            f"| {row['rps'] / stock['rps']:.1f} | {row['cpu_us']:.0f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} |"
        )
    return [*lines, ""]


def _verification(figures: dict[str, Any]) -> list[str]:
    lines = [
        "## Verification of one signature",
        "",
        "`python -m tests.bench verification`. Cold: the demand was never met, its trust stores and keys are parsed first. Warm:",
        "they are prepared, as they are for every policy in force. Remembered: what the next Pod of the image costs. Answers of",
        "AWS Signer are at hand; all three are processor time, and nothing in them waits. The last two columns are the wall time",
        "of the whole process of `notation` or `cosign` for the same artifact: its start (what its `version` takes), its files,",
        "and cosign's requests to a registry on loopback. No program is beside AWS Signer's kind: notation needs AWS's plugin,",
        "which asks AWS.",
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
        f"| {name} | {value:,.4g} | {AIMS.get(name, '')} |"
        for name, value in figures.items()
        if not name.startswith("_")
    ]
    return [*lines, ""]
