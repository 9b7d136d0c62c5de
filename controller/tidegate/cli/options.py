"""Options that several commands share, and what they are turned into."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from tidegate.settings import Settings, TrustStoreSettings, load_settings, parse_settings

F = Callable[..., Any]

CONFIG_HELP = (
    "The controller's configuration file: AWS roles and endpoints, pull secrets of other registries, the hosts allowed "
    "for revocation checks, and the folder for fetched trusted roots."
)
TIMEOUT_HELP = "Total time to wait for registries and AWS; at most half of it for trusted roots and keys."

_OPTIONS = (
    click.option(
        "--policy",
        "policy_files",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        metavar="FILE",
        help="YAML file with ImagePolicy objects, and the TrustStores and ConfigMaps that they use; may be repeated. Keys "
        "in AWS KMS and trusted roots of TUF repositories are fetched once. Default: a policy that requires immutable "
        "tags and no CRITICAL findings.",
    ),
    click.option(
        "--namespace",
        default="default",
        show_default=True,
        help="Namespace of the images, if a manifest names none. It selects the policies that apply.",
    ),
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help=CONFIG_HELP,
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=1, max=600),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help=TIMEOUT_HELP,
    ),
    click.option(
        "--output",
        "-o",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Output format: text for people, or JSON for programs.",
    ),
)


def shared_options(function: F) -> F:
    """Add the options of every command that judges images, in the order in which the help shows them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings_of(config: Path | None) -> Settings:
    """Return the settings of the file, or the defaults; but what is fetched is kept in a folder of the user's."""
    settings = load_settings(config) if config is not None else parse_settings("")
    stores = settings.trust_stores
    if stores.cache_folder != TrustStoreSettings().cache_folder:
        return settings
    # The default is a folder of the controller's container; here everybody on the machine could get in first.
    own = msgspec.structs.replace(stores, cache_folder=str(user_cache_folder()))
    return msgspec.structs.replace(settings, trust_stores=own)


def user_cache_folder() -> Path:
    """Return where trusted roots are kept for the user. Source: XDG Base Directory Specification, XDG_CACHE_HOME."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        # Also where it is a relative path, which is to be ignored.
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError:
            # A user without a home, as in a container that runs as any number.
            return Path(TrustStoreSettings().cache_folder)
    return base / "tidegate" / "trust-stores"
