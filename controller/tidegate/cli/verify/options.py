"""The options of ``tidegate verify``: one value with all of them, and the sections that the help shows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tidegate.cli import options as shared

F = Callable[..., Any]

GENERAL = "General"
"""The section of what every form takes, and of ``--help``."""
MAX_ANSWERS = 64
"""OCSP answers, and CRLs, that can be given."""

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """The value of every option; None or empty if it was not given, except ``at``, which is now by default."""

    subjects: tuple[str, ...] = ()
    envelope: Path | None = None
    envelope_type: str | None = None
    descriptor: Path | None = None
    reference: str | None = None
    trust_policy: Path | None = None
    trust_store: Path | None = None
    ocsp: tuple[Path, ...] = ()
    crl: tuple[Path, ...] = ()
    signer_answer: Path | None = None
    metadata: Mapping[str, str]
    bundle: Path | None = None
    digest: str | None = None
    artifact: Path | None = None
    trusted_root: Path | None = None
    certificate_identity: str | None = None
    certificate_identity_regexp: str | None = None
    certificate_oidc_issuer: str | None = None
    certificate_oidc_issuer_regexp: str | None = None
    key: Path | None = None
    key_hash: str | None = None
    no_transparency_log: bool = False
    predicate_type: str | None = None
    layout: str | None = None
    policy: tuple[Path, ...] = ()
    namespace: str = "default"
    config: Path | None = None
    timeout: float = 60.0
    at: datetime
    output: str = "text"


def read_time(text: str) -> datetime:
    """Return a time of RFC 3339, which has its zone, in UTC."""
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(f"{text!r} is not a time such as 2026-03-01T12:00:00Z")


def read_metadata(texts: tuple[str, ...]) -> dict[str, str]:
    """Return ``key=value`` texts as a mapping."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals or key in found:
            raise click.UsageError(f"--metadata {text!r}: expected KEY=VALUE, each key once")
        found[key] = value
    return found


class SectionedOption(click.Option):
    """An option that the help shows under a heading of its own."""

    def __init__(self, *names: Any, section: str = "", **options: Any) -> None:
        super().__init__(*names, **options)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help shows the options in sections, in the order in which they were written."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of options a section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", GENERAL), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


def within(section: str) -> Mapping[str, Any]:
    """Return what places a shared option in a section."""
    return {"cls": SectionedOption, "section": section}


def option(section: str, *names: str, **options: Any) -> Callable[[F], F]:
    """Return the decorator of an option of a section."""
    return click.option(*names, **within(section), **options)


def file_option(section: str, *names: str, **options: Any) -> Callable[[F], F]:
    """Return the decorator of an option that names a file."""
    return shared.file_option(*names, **within(section), **options)
