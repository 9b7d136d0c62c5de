"""The options that several commands share, and the settings that they select."""

import os
from collections.abc import Callable, Iterable
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
OUTPUT_HELP = "Output format: text for people, or JSON for programs."
TIMEOUT_HELP = "Total time to wait for registries and AWS; at most half of it for trusted roots and keys."

_VERBOSE = "tidegate.verbose"


def file_option(*names: str, dash: bool = False, folder: bool = False, **others: Any) -> Callable[[F], F]:
    """Return an option that names a file that exists, or also a folder, or also ``-`` for standard input."""
    kind = click.Path(exists=True, dir_okay=folder, allow_dash=dash, path_type=Path)
    return click.option(*names, **{"type": kind, "metavar": "FILE", **others})


def policy_option(text: str) -> Callable[[F], F]:
    """Return ``--policy``, which takes files."""
    return file_option("--policy", "policy_files", multiple=True, help=text)


def namespace_option(text: str, **others: Any) -> Callable[[F], F]:
    """Return ``--namespace``, which takes one."""
    return click.option("--namespace", default="default", show_default=True, help=text, **others)


def config_option(text: str = CONFIG_HELP, **others: Any) -> Callable[[F], F]:
    """Return ``--config``."""
    return file_option("--config", help=text, **others)


def timeout_option(
    text: str = TIMEOUT_HELP, *, most: int = 600, default: float = 60.0, **others: Any
) -> Callable[[F], F]:
    """Return ``--timeout``, in seconds."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=1, max=most),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=text,
        **others,
    )


def output_option(
    formats: Iterable[str] = ("text", "json"), text: str = OUTPUT_HELP, **others: Any
) -> Callable[[F], F]:
    """Return ``--output``; the first format is the default."""
    choices = list(formats)
    return click.option(
        "--output", "-o", type=click.Choice(choices), default=choices[0], show_default=True, help=text, **others
    )


def shared_options(formats: Iterable[str] = ("text", "json"), output_help: str = OUTPUT_HELP) -> Callable[[F], F]:
    """Return what adds the options of all commands that judge images, in the order of the help."""
    options = (
        policy_option(
            "YAML file with ImagePolicy objects, the exceptions from them, and the TrustStores and ConfigMaps that they use; "
            "may be repeated. Keys in AWS KMS and trusted roots of TUF repositories are fetched once. Default: a policy that "
            "requires immutable tags and no CRITICAL findings."
        ),
        namespace_option("Namespace of the images, if a manifest names none. It selects the policies that apply."),
        config_option(),
        timeout_option(),
        click.option(
            "--verbose",
            "-v",
            is_flag=True,
            expose_value=False,
            callback=lambda context, _option, value: context.meta.update({_VERBOSE: value}),
            help="Print to standard error which APIs were called, how often, and how long the calls took.",
        ),
        output_option(formats, output_help),
    )

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def is_verbose() -> bool:
    """Tell whether the present command was called with ``--verbose``."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_VERBOSE))


def settings_of(config: Path | None) -> Settings:
    """Return the settings of the file, or the defaults, with a cache folder of the user."""
    settings = load_settings(config) if config is not None else parse_settings("")
    stores = settings.trust_stores
    if stores.cache_folder != TrustStoreSettings().cache_folder:
        return settings
    # The default is a folder in the controller's container. Here, other users of the machine could create it first.
    own = msgspec.structs.replace(stores, cache_folder=str(user_cache_folder()))
    return msgspec.structs.replace(settings, trust_stores=own)


def user_cache_folder() -> Path:
    """Return the user's cache folder for trusted roots (XDG Base Directory Specification, XDG_CACHE_HOME)."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        # The specification says to ignore a relative path.
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError:
            # A user without a home folder, as in a container with an arbitrary user id.
            return Path(TrustStoreSettings().cache_folder)
    return base / "tidegate" / "trust-stores"
