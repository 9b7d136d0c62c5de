"""``tidegate verify``: verifies signatures step by step, from files, a layout or a registry."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from tidegate.cli.verify.arguments import verify_arguments
from tidegate.cli.verify.layout import verify_layout
from tidegate.cli.verify.notation import verify_envelope
from tidegate.cli.verify.options import MAX_ANSWERS, SectionedCommand, VerifyOptions, read_metadata
from tidegate.cli.verify.report import Report, exit_code
from tidegate.cli.verify.sigstore import verify_bundle_file
from tidegate.cli.verify.text import print_reports

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
    "envelope": _TRUST_OF_NOTATION | {"envelope_type", "descriptor", "signer_answer"},
    "bundle": _TRUST_OF_SIGSTORE | {"digest", "artifact", "subjects"},
    "layout": _TRUST_OF_NOTATION | _TRUST_OF_SIGSTORE,
    "policy": frozenset({"subjects", "namespace", "config", "timeout"}),
}
_ALWAYS = frozenset({"output"})
_AS_OF = frozenset({"envelope", "bundle", "layout"})
"""Forms that can be verified as of another time; registries and AWS only report the current state."""


@click.command(cls=SectionedCommand)
@verify_arguments
@click.pass_context
def verify(ctx: click.Context, /, **given: Any) -> None:
    """Verify signatures, and show each step of the procedure with its result.

    \b
    The command has four forms:
      tidegate verify IMAGE... --policy FILE     images in their registries
      tidegate verify --layout DIR ...           an image in an OCI layout
      tidegate verify --envelope FILE ...        a Notation signature in files
      tidegate verify --bundle FILE ARTIFACT...  a Sigstore bundle in files

    With --policy, tidegate looks up the images in their registries, and verifies the signatures and attestations that
    the ImagePolicy objects require. Of their other requirements, it checks only registries. The other forms work offline and
    fetch nothing.
    For them, set the trusted signers with Notation's trust policy and trust store, with Sigstore's trusted root and an
    identity, or with a key.

    Exit code 0: verified. 1: not verified. 2: unknown, for example because a registry or a revocation service does not
    answer, because no policy matches the image, or because the arguments are invalid. A failure that is only logged, and
    a statement of level skip, exit with 0, as with notation. To tell these from verified, read the last line, or
    "verdict" in the JSON.

    \b
    Examples:
      tidegate verify --policy policies.yaml \\
        111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:1.4
      tidegate verify --layout ./image:v1 --key cosign.pub --no-transparency-log
      tidegate verify --envelope signature.jws --descriptor descriptor.json \\
        --reference registry.example.com/app@sha256:... \\
        --trust-policy trustpolicy.json --trust-store truststore --crl ca.crl
      tidegate verify --bundle app.sigstore.json app.tar \\
        --trusted-root trusted_root.json \\
        --certificate-identity release@example.com \\
        --certificate-oidc-issuer https://accounts.example.com
    """  # noqa: D301 - click takes the backspace for "leave this paragraph as it is"
    form = _form(ctx, given)
    options = VerifyOptions(
        **given | {"metadata": read_metadata(given["metadata"]), "at": given["at"] or datetime.now(UTC)}
    )
    reports = _verify(form, options)
    print_reports(reports, options.output)
    sys.exit(exit_code(reports))


def _form(ctx: click.Context, given: Mapping[str, Any]) -> str:
    """Return the form of the command; raise UsageError for no form, for two, and for options of another form."""
    forms = [name for name in _GOES_WITH if given[name]]
    if not forms and given["subjects"]:
        raise click.UsageError("IMAGE needs --policy FILE, ARTIFACT needs --bundle FILE")
    if len(forms) != 1:
        raise click.UsageError("expected exactly one of --envelope, --bundle, --layout and --policy")
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
            f"{_shown(notation[0])} is Notation's and {_shown(sigstore[0])} is Sigstore's; run the command twice, once with each"
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
        from tidegate.cli.verify.image import verify_images  # noqa: PLC0415

        return verify_images(options)
    return verify_bundle_file(options) if form == "bundle" else [verify_layout(options)]
