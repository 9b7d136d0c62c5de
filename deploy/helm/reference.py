"""Make the tables and helps of docs/reference from the code: fields of the CRDs, settings, metrics, log events, commands.

Each stands between a line ``<!-- generated: WHAT -->`` and the line ``<!-- end -->``; everything else on a page is
written by hand. What a log event means is written by hand as well, in the last cell of its row, which is kept.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import msgspec
import yaml
from prometheus_client import CollectorRegistry

from kinds import KINDS
from schemas import Schema
from tidegate import settings
from tidegate.app.admission import watched_verdicts
from tidegate.app.background_metrics import BackgroundMetrics, watch_left_out
from tidegate.app.engine import build_engine
from tidegate.app.event_source import build_event_source
from tidegate.app.server_metrics import ServerMetrics
from tidegate.app.sources import watch_clock, watch_policies, watch_trust_stores
from tidegate.background.counts import Counts
from tidegate.background.running import PodTable
from tidegate.background.stored import VerdictHeads
from tidegate.cli.root import main as command_line
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.policy import exception_object, parse, trust_store_object
from tidegate.policy.shape import Choice, Flag, ListOf, MapOf, Number, Section, Text
from tidegate.reports.posture_lines import PostureReport
from tidegate.telemetry import observer
from tidegate.telemetry.counters import Counter, Histogram
from tidegate.telemetry.exceptions import ExceptionMetrics
from tidegate.telemetry.posture import PostureMetrics

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"
PACKAGE = ROOT / "controller" / "tidegate"
BLOCK = re.compile(r"(<!-- generated: (?P<what>[^\n]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
HELP_WIDTH = 100
REPEATED = ("match.images[].", "attestations[].anyOf[].sigstore")
"""Fields that another list has too, and whose rows are there."""
OF_AN_AUTHORITY = re.compile(r"^signatures\.anyOf\[\]\.(?=(notation|sigstore)\.)")
"""The fields of an authority are shown without their place, since both lists have them."""
SHAPES: Mapping[str, Section[Any]] = {
    "ImagePolicy": parse.SPEC,
    "ImagePolicyException": exception_object.SPEC,
    "TrustStore": trust_store_object.SPEC,
}
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/tidegate-events"
"""A queue of events, without which some metrics do not exist."""
LOGGING_PACKAGES = ("app", "background", "cluster", "gather", "telemetry", "trust")
STANDS_IN = {
    "namespace": "`POD_NAMESPACE`",
    "aws.region": "boto3's",
    **{f"aws.endpoints.{name}": "AWS's own" for name in ("ecr", "inspector2", "kms", "signer", "sqs", "sts")},
}
"""What is used where a setting has no default."""


class PageError(Exception):
    """A page asks for what is not there, or lacks what must be on it."""


def table(*rows: Sequence[str]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body]) + "\n"


# -- fields of the CRDs -----------------------------------------------------------------------------------------------


def kind_of(shape: object) -> str:
    """Return the type of a shape in the words of the CRD."""
    match shape:
        case ListOf():
            return f"list of {kind_of(shape.item)}s"
        case MapOf():
            return f"map of {kind_of(shape.value)}s"
        case Number():
            return "integer" if shape.whole else "number"
        case Flag():
            return "boolean"
    return "object" if isinstance(shape, Section) else "string"


def limits_of(shape: object) -> Iterator[str]:
    """Yield what the API server and tidegate demand of a value."""
    match shape:
        case Text():
            yield shape.expected
        case Choice():
            yield ", ".join(f"`{word.value}`" for word in shape.words)
        case Number():
            yield f"{shape.minimum} to {shape.maximum}"
        case Flag() if shape.only_true:
            yield "`true`"
        case MapOf():
            yield f"at most {shape.maximum}"
        case ListOf():
            yield f"{shape.minimum} to {shape.maximum}" if shape.minimum else f"at most {shape.maximum}"
            yield from ("each once",) * shape.unique
            yield from (f"each `{key}` once" for key in (shape.key,) if key)
            yield from limits_of(shape.item) if not isinstance(shape.item, Section) else ()
            yield from (check.expected for check in shape.checks)
        case Section():
            yield from (check.expected for check in shape.checks)


def fields_of(section: Section[Any], before: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the path and the row of each field below a section."""
    for field in section.fields:
        path = before + field.name
        default = "required" if field.required else f"`{_yaml(field.default)}`" if field.default is not None else ""
        limits = "; ".join(limits_of(field.shape)).replace("*", "&#42;")
        yield path, (kind_of(field.shape), default, limits, field.description)
        inner = field.shape.item if isinstance(field.shape, ListOf) else field.shape
        if isinstance(inner, Section):
            yield from fields_of(inner, f"{path}{'[]' * isinstance(field.shape, ListOf)}.")


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def crd_table(spec: Section[Any], root: str, roots: Sequence[str]) -> str:
    """Return the rows of the fields at ``root`` that no longer one of the roots has; ``spec`` is above all of them."""
    rows = []
    for path, row in fields_of(spec):
        if path.startswith(REPEATED):
            continue
        own = max(
            (one for one in roots if one == "spec" or path.startswith((f"{one}.", f"{one}["))), key=_depth, default=""
        )
        if own == root:
            shown = path.removeprefix("registries[].") if root == "registries" else path
            rows.append((f"`{re.sub(OF_AN_AUTHORITY, '', shown)}`", *row))
    if not rows:
        raise PageError(f"no field is below {root}")
    return table(("field", "type", "default", "limits", "meaning"), *rows)


def _depth(root: str) -> int:
    return 0 if root == "spec" else len(root)


def schema_table(schema: Schema) -> str:
    """Return the rows of what no shape reads: a status, or an object that the controller writes."""

    def rows(above: Schema, before: str) -> Iterator[Sequence[str]]:
        for name, below in above.get("properties", {}).items():
            yield f"`{before}{name}`", below["type"], below.get("description", "")
            yield from rows(below, f"{before}{name}.")

    return table(("field", "type", "meaning"), *rows(schema, ""))


# -- settings ---------------------------------------------------------------------------------------------------------


def settings_below(struct: Any, before: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield the key, default, limits and meaning of each setting."""
    hints, meanings = get_type_hints(struct, include_extras=True), _meanings()
    for field in msgspec.structs.fields(struct):
        name = before + field.encode_name
        made_of = list(_parts(hints[field.name]))
        inner = [one for one in made_of if isinstance(one, type) and issubclass(one, msgspec.Struct)]
        listed = "[]" * (field.default == ())
        if not inner or listed:
            limits = "; ".join(dict.fromkeys(filter(None, map(_bounds, made_of))))
            yield name + listed, _default(name, field.default), limits, meanings[struct.__name__, field.name]
        for one in inner:
            yield from settings_below(one, f"{name}{listed}.")


def _parts(kind: Any) -> Iterator[Any]:
    """Yield a type and what it is made of."""
    yield kind
    for one in get_args(kind):
        yield from _parts(one)


def _bounds(part: Any) -> str:
    if not isinstance(part, msgspec.Meta):
        is_words = str(part).startswith("typing.Literal")
        return ", ".join(f"`{one}`" for one in get_args(part)) if is_words else ""
    if part.max_length is not None and part.pattern is None:
        return f"at most {part.max_length}"
    if part.gt is not None:
        return f"above {part.gt}, to {part.le}"
    return f"{part.ge} to {part.le}" if part.ge is not None else ""


def _default(name: str, default: Any) -> str:
    if default is msgspec.NODEFAULT:
        return "required"
    if default is None:
        return STANDS_IN.get(name, "none")
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{_yaml(list(default) if default == () else default)}`"


@cache
def _meanings() -> Mapping[tuple[str, str], str]:
    """Return the docstring below each field of the settings, by the names of class and field."""
    found = {}
    for struct in ast.walk(ast.parse((PACKAGE / "settings.py").read_text())):
        if isinstance(struct, ast.ClassDef):
            for field, text in zip(struct.body, struct.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    found[struct.name, ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


def settings_table() -> str:
    """Return the rows of the controller's configuration file."""
    rows = [(f"`{name}`", *row) for name, *row in settings_below(settings.Settings)]
    return table(("key", "default", "limits", "meaning"), *rows)


# -- metrics and logs -------------------------------------------------------------------------------------------------


def metrics_table() -> str:
    """Return a row a metric, as a process exports it."""
    engine = build_engine(settings.Settings(aws=settings.Aws(event_queue_url=QUEUE)))
    build_event_source(engine, registries=list, changed=lambda _: None, everything=lambda _: None)
    watch_clock(engine, jumped=lambda: None)
    watch_policies(engine.metrics, WatchedPolicies(_NoApi()))
    watch_trust_stores(engine.metrics, WatchedTrustStores(_NoApi(), namespace=None))
    watched_verdicts(engine, _NoApi())
    engine.metrics.registry.register(ServerMetrics(list))
    engine.metrics.registry.register(ExceptionMetrics(list, int))
    counts, background = Counts().all(), CollectorRegistry()
    for counter in counts:
        background.register(counter)
    background.register(PostureMetrics(PostureReport, names=False))
    watch_left_out(engine.metrics, int)
    work: Any = _NoWork()
    watch: Any = _NoWatch()
    background.register(
        BackgroundMetrics(
            pods=PodTable(), stored=VerdictHeads(), work=work, leads=bool, watches={"pods": watch}, lag=float
        )
    )
    known_here = [*vars(engine.metrics).values(), *counts]
    labelled = {one.name: one.labels for one in known_here if isinstance(one, Counter | Histogram)}
    rows = []
    found = [one for each in (engine.metrics.registry, background) for one in each.collect()]
    families = {one.name: one for one in reversed(found)}
    for family in reversed(families.values()):
        if family.name.startswith("tidegate_"):
            known = tuple(family.samples[0].labels) if family.samples else ()
            labels = labelled.get(family.name) or getattr(family, "_labelnames", ()) or known
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((f"`{name}`", family.type, ", ".join(f"`{one}`" for one in labels), family.documentation))
    engine.close()
    return table(("metric", "type", "labels", "meaning"), *rows)


class _NoApi(KubernetesApi):
    """A Kubernetes API that no registration of a metric calls."""

    def __init__(self) -> None:
        pass


class _NoWork:
    """The work of a replica that does not lead."""

    unanswered = 0
    rejudged_seconds = 0.0


class _NoWatch:
    """A watch without a list."""

    age_seconds = float("inf")


def logs_table(present: str) -> str:
    """Return a row a log event, with the meanings that the present rows have."""
    meanings = dict(re.findall(r"^\| `([^`]+)` \|.*\| ([^|]+) \|$", present, re.MULTILINE))
    rows = []
    for event, (levels, keys) in sorted(_events().items()):
        if event not in meanings:
            raise PageError(f"logs.md does not say what {event!r} means: write its row")
        rows.append((f"`{event}`", ", ".join(levels), ", ".join(f"`{key}`" for key in keys), meanings[event]))
    return table(("event", "level", "keys", "meaning"), *rows)


def _events() -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
    """Return the levels and keys of each event; a failed call is logged for every service that is called."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for call in log_calls():
        said = call.args[0]
        events = [said.value] if isinstance(said, ast.Constant) else _failures()
        for event in events:
            levels, keys = found.setdefault(str(event), ({}, {}))
            levels[ast.unparse(call.func).removeprefix("_log.").replace("exception", "error")] = None
            keys.update((keyword.arg, None) for keyword in call.keywords if keyword.arg not in {None, "exc_info"})
    return {event: (tuple(levels), tuple(keys)) for event, (levels, keys) in found.items()}


def _failures() -> Sequence[str]:
    services = ("AWS", *observer._SERVICES.values())  # noqa: SLF001 - the one place that has them
    partly = f"AWS {observer.FAILED_FOR_SOME}"
    return [partly, *(f"{service} {observer.FAILED}" for service in services)]


def log_calls() -> Iterator[ast.Call]:
    """Yield each call of a logger."""
    for path in sorted(path for package in LOGGING_PACKAGES for path in (PACKAGE / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
                yield node


# -- pages ------------------------------------------------------------------------------------------------------------


def commands() -> dict[str, str]:
    """Return the help of every command, by what is typed for it."""
    settings_of_help = {**command_line.context_settings, "terminal_width": HELP_WIDTH}
    return dict(_helps(command_line, click.Context(command_line, info_name="tidegate", **settings_of_help)))


def _helps(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    yield ctx.command_path, command.get_help(ctx) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from _helps(below, click.Context(below, info_name=name, parent=ctx, terminal_width=HELP_WIDTH))


def block(what: str, page: str) -> str:
    """Return what a page has to say between its two marks."""
    kinds = {kind.name: kind for kind in KINDS}
    name, _, root = what.partition(" ")
    if name in kinds:
        if root != "status" and name in SHAPES:
            return crd_table(SHAPES[name], root, re.findall(rf"<!-- generated: {name} ([^\n]+) -->", page))
        return schema_table(kinds[name].status if root == "status" else kinds[name].spec)
    if what.startswith("tidegate"):
        return f"```console\n$ {what} --help\n{commands()[what]}```\n"
    tables: Mapping[str, Callable[[], str]] = {
        "settings": settings_table,
        "metrics": metrics_table,
        "log events": lambda: logs_table(page),
    }
    if what not in tables:
        raise PageError(f"nothing is generated for {what!r}")
    return tables[what]()


def page_text(page: str) -> str:
    """Return a page with every block as it should be."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{block(found['what'], page)}\n{found[3]}", page)


def page_texts() -> dict[Path, str]:
    """Return what each page with a generated part has to say."""
    pages = {path: path.read_text() for path in sorted(PAGES.glob("*.md"))}
    there = {found["what"] for page in pages.values() for found in BLOCK.finditer(page)}
    wanted = {
        *commands(),
        "settings",
        "metrics",
        "log events",
        "ImagePolicy spec",
        "ImagePolicyException spec",
        "ImagePolicyException status",
        "TrustStore spec",
        "TrustStore status",
    }
    if missing := wanted - there:
        raise PageError(f"no page has a block for {', '.join(sorted(missing))}")
    return {path: page_text(page) for path, page in pages.items() if BLOCK.search(page)}
