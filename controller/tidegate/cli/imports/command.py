"""``tidegate import notation``: an existing trust policy and trust store of Notation as objects for the cluster."""

import json
import re
from pathlib import Path
from typing import Any

import click
import yaml

from tidegate.cli.argument_files import ArgumentError, read_file
from tidegate.cli.imports.objects import Import, ImportedObject, Loss, import_document
from tidegate.cli.trust_policy_file import place_of, read_trust_policy_file
from tidegate.cli.trust_store_folder import read_trust_stores, store_names
from tidegate.verify.notation.trust_policy.document import MAX_POLICY_BYTES
from tidegate.verify.notation.trust_store.store import CertificateStores, StoreName

FIRST_ACTIONS = ("Warn", "Audit")
"""With these nothing is refused: one of the objects is about every image of the cluster, which no document foresaw."""
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


@click.group("import")
def import_group() -> None:
    """Convert trust policies of other tools to ImagePolicy and TrustStore objects with the same effect.

    The command prints the objects as YAML and applies nothing.
    """


@import_group.command("notation", short_help="Import Notation's trustpolicy.json and trust store.")
@click.option(
    "--trust-policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Notation's trustpolicy.json.",
)
@click.option(
    "--trust-store",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Notation's trust store directory (DIR/x509/<type>/<name>/). Only the stores that a statement names are imported.",
)
@click.option(
    "--name", default="notation", show_default=True, metavar="PREFIX", help="Prefix for the names of all objects."
)
@click.option(
    "--action",
    "actions",
    type=click.Choice(["Deny", "Warn", "Audit"]),
    multiple=True,
    default=FIRST_ACTIONS,
    show_default=True,
    help="What the policies do with an image that does not meet them; may be repeated. Warn and Audit admit it and show "
    "what Deny would refuse. When there are no more warnings, import again with --action Deny.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Print the objects even if something cannot be converted; comments list what is missing. "
    "The objects are then stricter than the trust policy, never looser.",
)
def notation(trust_policy: Path, trust_store: Path, name: str, actions: tuple[str, ...], partial: bool) -> None:
    """Print ImagePolicy and TrustStore objects with the same effect as a Notation trust policy.

    Each statement becomes an ImagePolicy: its registry scopes become match.images; its level, overrides, verifyTimestamp
    and trusted identities become one authority. Each trust store that a statement names becomes a TrustStore. Another
    policy refuses images that no statement covers, as Notation does: with --action Deny, also those of the control plane
    and of add-ons. Without --action Deny, nothing is refused.

    If something cannot be converted, the command prints an error with line and column, and no objects; see --partial.

    \b
    Example:
      tidegate import notation \\
        --trust-policy ~/.config/notation/trustpolicy.json \\
        --trust-store ~/.config/notation/truststore > policies.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    if not _PREFIX.fullmatch(name):
        raise click.UsageError(f"--name {name!r}: expected at most 40 lower-case letters, digits and -")
    actions = tuple(dict.fromkeys(actions))
    if {"Deny", "Warn"} <= set(actions):
        raise click.UsageError(
            "--action Deny and --action Warn cannot be combined: a refusal already shows what a warning would"
        )
    document = read_trust_policy_file(trust_policy)
    text = read_file(trust_policy, maximum=MAX_POLICY_BYTES).decode()
    wanted = dict.fromkeys(store for statement in document.statements for store in statement.trust_stores)
    stores = _stores(trust_store, list(wanted))
    imported = import_document(document, json.loads(text), stores, prefix=name, actions=actions)
    losses = [_placed(trust_policy, text, loss) for loss in imported.losses]
    if losses and not partial:
        raise ArgumentError(
            "\n".join((*losses, "nothing was imported; to print the objects that can be converted, add --partial"))
        )
    unused = [store for store in store_names(trust_store) if store not in wanted]
    click.echo(_document(trust_policy, imported, losses, unused), nl=False)


def _stores(folder: Path, wanted: list[StoreName]) -> CertificateStores:
    stores = read_trust_stores(folder, wanted)
    missing = [str(name) for name in wanted if name not in stores.stores]
    if missing:
        raise ArgumentError(
            f"{folder}: the trust policy names trust stores that do not exist: {', '.join(missing)}; add them, or remove their names"
        )
    return stores


def _placed(path: Path, text: str, loss: Loss) -> str:
    place = place_of(text, loss.field)
    where = f"{path}:{place[0]}:{place[1]}" if place else str(path)
    return f"{where}: {loss.field}: {loss.problem}" if loss.field else f"{where}: {loss.problem}"


def _document(path: Path, imported: Import, losses: list[str], unused: list[StoreName]) -> str:
    head = [f"Generated by `tidegate import notation` from {path}."]
    if not imported.enforced:
        head.append("These policies refuse nothing yet. To enforce them, import again with --action Deny.")
    head += imported.remarks
    head += [f"not imported, because no statement names it: trust store {store}" for store in unused]
    if losses:
        head += [
            "INCOMPLETE: these parts could not be converted; the objects are stricter than the trust policy:",
            *losses,
        ]
    return "".join((_comment(head), *map(_object, imported.objects)))


def _object(imported: ImportedObject) -> str:
    text: str = yaml.dump(
        dict(imported.content),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=4096,
        default_flow_style=False,
    )
    return f"---\n{_comment(imported.comment)}{text}"


def _comment(lines: Any) -> str:
    # A comment ends with its line: what others chose must not go on behind it.
    printable = ("".join(one if one.isprintable() else "?" for one in line) for line in lines)
    return "".join(f"# {line}\n" for line in printable)


class _Dumper(yaml.SafeDumper):
    """Writes certificates as readable blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
