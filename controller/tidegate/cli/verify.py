"""``tidegate verify``: whether a signature proves what it should, step by step, from files, a layout or a registry."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tidegate.cli.verify_layout import verify_layout
from tidegate.cli.verify_notation import verify_envelope
from tidegate.cli.verify_options import (
    GENERAL,
    MAX_ANSWERS,
    SectionedCommand,
    VerifyOptions,
    file_option,
    option,
    read_metadata,
    read_time,
)
from tidegate.cli.verify_report import Report, exit_code
from tidegate.cli.verify_sigstore import verify_bundle_file
from tidegate.cli.verify_text import print_reports

_NOTATION = "Notation"
_SIGSTORE = "Sigstore"
_REGISTRY = "Images in registries"
_WHAT = "What to verify"

_TRUST_OF_NOTATION = frozenset({"reference", "trust_policy", "trust_store", "ocsp", "crl", "metadata"})
_TRUST_OF_SIGSTORE = frozenset(
    {
        "trusted_root",
        "certificate_identity",
        "certificate_identity_regexp",
        "certificate_oidc_issuer",
        "certificate_oidc_issuer_regexp",
        "key",
        "key_hash",
        "no_transparency_log",
        "predicate_type",
    }
)
_GOES_WITH: Mapping[str, frozenset[str]] = {
    "envelope": _TRUST_OF_NOTATION | {"envelope_type", "descriptor"},
    "bundle": _TRUST_OF_SIGSTORE | {"digest", "artifact", "subjects"},
    "layout": _TRUST_OF_NOTATION | _TRUST_OF_SIGSTORE,
    "policy": frozenset({"subjects", "namespace", "config", "timeout"}),
}
_ALWAYS = frozenset({"output"})
_AS_OF = frozenset({"envelope", "bundle", "layout"})
"""Forms that can be verified as of another time; what registries and AWS say is of now."""


@click.command(cls=SectionedCommand, short_help="Verify signatures step by step: of images, files or an OCI layout.")
@click.argument("subjects", nargs=-1, metavar="[IMAGE|ARTIFACT]...")
@file_option(_WHAT, "--envelope", help="A Notation signature: the envelope alone, JWS or COSE.")
@file_option(_WHAT, "--bundle", help="A Sigstore bundle (JSON, version 0.1 to 0.3).")
@option(
    _WHAT,
    "--layout",
    metavar="DIR[:TAG|@DIGEST]",
    help="An image in an OCI image layout, with all signatures that lie beside it: Notation's by --trust-policy, "
    "bundles and cosign's by the options of Sigstore.",
)
@option(
    _NOTATION,
    "--reference",
    metavar="REGISTRY/REPOSITORY@DIGEST",
    help="Of what it must be a signature, and in which repository: that decides which statement of the trust policy "
    "holds. With --layout the digest may be left out.",
)
@file_option(
    _NOTATION, "--descriptor", help="The signed manifest's OCI descriptor, a JSON object with mediaType, digest, size."
)
@option(
    _NOTATION,
    "--envelope-type",
    type=click.Choice(["jws", "cose"]),
    help="The envelope's format. Without it, what begins with a brace is JWS, all else COSE.",
)
@file_option(_NOTATION, "--trust-policy", help="Notation's trustpolicy.json.")
@option(
    _NOTATION,
    "--trust-store",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Notation's trust store: DIR/x509/<ca|signingAuthority|tsa>/<name>/ with files of certificates, PEM or DER. "
    "Links and folders inside are refused.",
)
@file_option(_NOTATION, "--ocsp", multiple=True, help="An OCSP answer (DER) to judge revocation by; may be repeated.")
@file_option(_NOTATION, "--crl", multiple=True, help="A CRL (DER or PEM) to judge revocation by; may be repeated.")
@option(
    _NOTATION,
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="Metadata that must have been signed (notation sign --user-metadata); may be repeated.",
)
@option(_SIGSTORE, "--digest", metavar="sha256:...", help="The digest of what must have been signed.")
@file_option(_SIGSTORE, "--artifact", help="What must have been signed, itself; the same as ARTIFACT.")
@file_option(_SIGSTORE, "--trusted-root", help="Sigstore's trusted_root.json: whose certificates and logs count.")
@option(
    _SIGSTORE,
    "--certificate-identity",
    metavar="TEXT",
    help="Who must have signed, exactly as in the certificate: an e-mail address, or a workflow's URI.",
)
@option(
    _SIGSTORE,
    "--certificate-identity-regexp",
    metavar="RE2",
    help="The same as an RE2 expression, which must fit the whole identity.",
)
@option(
    _SIGSTORE,
    "--certificate-oidc-issuer",
    metavar="TEXT",
    help="Who must have vouched for the identity, exactly, such as https://token.actions.githubusercontent.com.",
)
@option(
    _SIGSTORE,
    "--certificate-oidc-issuer-regexp",
    metavar="RE2",
    help="The same as an RE2 expression, which must fit the whole issuer.",
)
@file_option(_SIGSTORE, "--key", help="The public key (PEM) that must have signed, instead of an identity.")
@option(
    _SIGSTORE,
    "--key-hash",
    type=click.Choice(["sha256", "sha384", "sha512"]),
    help="With which hash the key signs. Without it the curve's own, sha256 for RSA.",
)
@option(
    _SIGSTORE,
    "--no-transparency-log",
    is_flag=True,
    help="Demand no log entry of a --key, and look at none. Nothing says when it signed then.",
)
@option(
    _SIGSTORE,
    "--predicate-type",
    metavar="URI",
    help="The type that an attestation must have, or * for any. Without it: any with --bundle, and with --layout only "
    "plain signatures, no attestations.",
)
@file_option(
    _REGISTRY,
    "--policy",
    multiple=True,
    help="ImagePolicy and TrustStore objects (YAML) that say who must have signed each IMAGE; may be repeated.",
)
@option(
    _REGISTRY,
    "--namespace",
    default="default",
    show_default=True,
    help="Namespace to verify for; it selects the policies that apply.",
)
@file_option(_REGISTRY, "--config", help="The controller's configuration file, for AWS roles and endpoints.")
@option(
    _REGISTRY,
    "--timeout",
    type=click.FloatRange(min=1, max=600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for registries and AWS in all.",
)
@option(
    GENERAL,
    "--at",
    type=read_time,
    metavar="TIME",
    help="Verify files or a layout as of this time (RFC 3339, such as 2026-03-01T12:00:00Z) instead of now.",
)
@option(
    GENERAL,
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for a person, or a JSON array with one object for each thing that was verified.",
)
@click.pass_context
def verify(ctx: click.Context, /, **given: Any) -> None:
    """Verify signatures, and show every step of the procedure with its outcome.

    Files alone (--envelope, --bundle) and OCI layouts (--layout) are verified offline: nothing is fetched. Whom to trust is
    said with Notation's own trust policy and trust store, or with Sigstore's trusted root and an identity, or with a
    key. Each IMAGE is looked up in its registry, and verified by the ImagePolicy objects of --policy.

    Exit code 0: verified. 1: not verified. 2: nobody can tell, for instance because an answer about revocation is not
    at hand, or because the arguments cannot be used. A trust policy that only logs a failure, or demands no signature,
    is 0 as with notation itself; the last line and "verdict" in the JSON tell it from verified.

    \b
    tidegate verify --envelope signature.jws --descriptor descriptor.json \\
      --reference registry.example.com/app@sha256:... \\
      --trust-policy trustpolicy.json --trust-store ~/.config/notation/truststore --crl ca.crl
    tidegate verify --bundle app.sigstore.json --trusted-root trusted_root.json \\
      --certificate-identity release@example.com --certificate-oidc-issuer https://accounts.example.com app.tar
    tidegate verify --layout ./image:v1 --key cosign.pub --no-transparency-log
    tidegate verify 111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4 --policy policies.yaml
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    form = _form(ctx, given)
    options = VerifyOptions(
        **given | {"metadata": read_metadata(given["metadata"]), "at": given["at"] or datetime.now(UTC)}
    )
    reports = _verify(form, options)
    print_reports(reports, options.output)
    sys.exit(exit_code(reports))


def _form(ctx: click.Context, given: Mapping[str, Any]) -> str:
    """Return which form was asked for; raise UsageError for none, for two, and for options of another form."""
    forms = [name for name in _GOES_WITH if given[name]]
    if not forms and given["subjects"]:
        raise click.UsageError("an IMAGE needs --policy FILE, an ARTIFACT needs --bundle FILE")
    if len(forms) != 1:
        raise click.UsageError("say what to verify with exactly one of --envelope, --bundle, --layout and --policy")
    form = forms[0]
    accepted = _GOES_WITH[form] | _ALWAYS | {form} | ({"at"} if form in _AS_OF else set())
    stray = [name for name, value in given.items() if value and name not in accepted and _is_given(ctx, name)]
    if stray:
        raise click.UsageError(f"{_shown(stray[0])} does not go with --{form}")
    if form == "policy" and not given["subjects"]:
        raise click.UsageError("name at least one IMAGE for --policy")
    needed = ("reference", "descriptor", "trust_policy", "trust_store") if form == "envelope" else ()
    missing = [_shown(name) for name in needed if given[name] is None]
    if missing:
        raise click.UsageError(f"--{form} also needs {', '.join(missing)}")
    if form == "layout":
        _check_one_trust(given)
    if any(len(given[name]) > MAX_ANSWERS for name in ("ocsp", "crl")):
        raise click.UsageError(f"at most {MAX_ANSWERS} answers of --ocsp and of --crl each")
    return form


def _check_one_trust(given: Mapping[str, Any]) -> None:
    notation = [name for name in given if name in _TRUST_OF_NOTATION and given[name]]
    sigstore = [name for name in given if name in _TRUST_OF_SIGSTORE and given[name]]
    if notation and sigstore:
        raise click.UsageError(
            f"{_shown(notation[0])} is Notation's and {_shown(sigstore[0])} is Sigstore's; verify twice, once by each"
        )
    if notation and given["trust_policy"] is None:
        raise click.UsageError(f"{_shown(notation[0])} also needs --trust-policy")


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _shown(name: str) -> str:
    return "IMAGE or ARTIFACT" if name == "subjects" else f"--{name.replace('_', '-')}"


def _verify(form: str, options: VerifyOptions) -> list[Report]:
    if form == "envelope":
        return [verify_envelope(options)]
    if form == "policy":
        # Imported late: files and layouts need no engine and no AWS.
        from tidegate.cli.verify_image import verify_images  # noqa: PLC0415

        return verify_images(options)
    return verify_bundle_file(options) if form == "bundle" else [verify_layout(options)]
