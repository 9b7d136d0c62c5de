"""Options that several commands share, and what they are turned into."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tidegate.settings import Settings, load_settings, parse_settings

F = Callable[..., Any]

_OPTIONS = (
    click.option(
        "--policy",
        "policy_files",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Judge by the ImagePolicy objects in this YAML file, with the TrustStores and ConfigMaps that they rely on; "
        "may be repeated. Without it: immutable tags and no CRITICAL findings.",
    ),
    click.option(
        "--namespace",
        default="default",
        show_default=True,
        help="Namespace to judge for, where a manifest names none. It selects the policies that apply.",
    ),
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The controller's configuration file: AWS roles and endpoints, pull secrets of other registries, and the "
        "hosts that may be asked about revocation.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=1, max=600),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for registries and AWS in all.",
    ),
    click.option(
        "--output",
        "-o",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Lines for a person, or JSON for a program.",
    ),
)


def shared_options(function: F) -> F:
    """Add the options of every command that judges images, in the order in which the help shows them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings_of(config: Path | None) -> Settings:
    """Return the settings of the file, or the defaults."""
    return load_settings(config) if config is not None else parse_settings("")
