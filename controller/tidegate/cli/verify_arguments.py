"""The arguments of ``tidegate verify`` as its help shows them, form by form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tidegate.cli.options import CONFIG_HELP, TIMEOUT_HELP
from tidegate.cli.verify_options import GENERAL, file_option, option, read_time

F = Callable[..., Any]

_WHAT = "What to verify, offline"
_REGISTRY = "Images in registries (--policy)"
_NOTATION = "Trust of Notation (--envelope, --layout)"
_SIGSTORE = "Trust of Sigstore (--bundle, --layout)"


def verify_arguments(function: F) -> F:
    """Add the arguments, in the order in which the help shows them."""
    for argument in reversed(
        (
            click.argument("subjects", nargs=-1, metavar="[IMAGE|ARTIFACT]..."),
            file_option(_WHAT, "--envelope", help="A Notation signature: the envelope alone, JWS or COSE."),
            file_option(_WHAT, "--bundle", help="A Sigstore bundle (JSON, version 0.1 to 0.3)."),
            option(
                _WHAT,
                "--layout",
                metavar="DIR[:TAG|@DIGEST]",
                help="An image in an OCI image layout, with all signatures that lie beside it: Notation's by --trust-policy, "
                "bundles and cosign's by the options of Sigstore.",
            ),
            file_option(
                _REGISTRY,
                "--policy",
                multiple=True,
                help="ImagePolicy objects (YAML) that say who must have signed each IMAGE, with the TrustStores and "
                "ConfigMaps that they rely on; may be repeated. Keys in AWS KMS and trusted roots of TUF "
                "repositories are fetched once.",
            ),
            option(
                _REGISTRY,
                "--namespace",
                default="default",
                show_default=True,
                help="Namespace to verify for; it selects the policies that apply.",
            ),
            file_option(
                _REGISTRY,
                "--config",
                help=CONFIG_HELP,
            ),
            option(
                _REGISTRY,
                "--timeout",
                type=click.FloatRange(min=1, max=600),
                default=60.0,
                show_default=True,
                metavar="SECONDS",
                help=TIMEOUT_HELP,
            ),
            option(
                _NOTATION,
                "--reference",
                metavar="REGISTRY/REPOSITORY@DIGEST",
                help="Of what it must be a signature, and in which repository: that decides which statement of the trust policy "
                "holds. With --layout the digest may be left out.",
            ),
            file_option(
                _NOTATION,
                "--descriptor",
                help="The signed manifest's OCI descriptor, a JSON object with mediaType, digest, size.",
            ),
            option(
                _NOTATION,
                "--envelope-type",
                type=click.Choice(["jws", "cose"]),
                help="The envelope's format. Without it, what begins with a brace is JWS, all else COSE.",
            ),
            file_option(_NOTATION, "--trust-policy", help="Notation's trustpolicy.json."),
            option(
                _NOTATION,
                "--trust-store",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                metavar="DIR",
                help="Notation's trust store: DIR/x509/<ca|signingAuthority|tsa>/<name>/ with files of certificates, PEM or DER. "
                "Links and folders inside are refused.",
            ),
            file_option(
                _NOTATION, "--ocsp", multiple=True, help="An OCSP answer (DER) to judge revocation by; may be repeated."
            ),
            file_option(
                _NOTATION, "--crl", multiple=True, help="A CRL (DER or PEM) to judge revocation by; may be repeated."
            ),
            file_option(
                _NOTATION,
                "--signer-answer",
                help="With --envelope: AWS Signer's answer about this very signature, the JSON that "
                "`aws signer get-revocation-status` prints. Without it the output names the command.",
            ),
            option(
                _NOTATION,
                "--metadata",
                multiple=True,
                metavar="KEY=VALUE",
                help="Metadata that must have been signed (notation sign --user-metadata); may be repeated.",
            ),
            option(_SIGSTORE, "--digest", metavar="sha256:...", help="The digest of what must have been signed."),
            file_option(_SIGSTORE, "--artifact", help="What must have been signed, itself; the same as ARTIFACT."),
            file_option(
                _SIGSTORE, "--trusted-root", help="Sigstore's trusted_root.json: whose certificates and logs count."
            ),
            option(
                _SIGSTORE,
                "--certificate-identity",
                metavar="TEXT",
                help="Who must have signed, exactly as in the certificate: an e-mail address, or a workflow's URI.",
            ),
            option(
                _SIGSTORE,
                "--certificate-identity-regexp",
                metavar="RE2",
                help="The same as an RE2 expression, which must fit the whole identity.",
            ),
            option(
                _SIGSTORE,
                "--certificate-oidc-issuer",
                metavar="TEXT",
                help="Who must have vouched for the identity, exactly, such as https://token.actions.githubusercontent.com.",
            ),
            option(
                _SIGSTORE,
                "--certificate-oidc-issuer-regexp",
                metavar="RE2",
                help="The same as an RE2 expression, which must fit the whole issuer.",
            ),
            file_option(_SIGSTORE, "--key", help="The public key (PEM) that must have signed, instead of an identity."),
            option(
                _SIGSTORE,
                "--key-hash",
                type=click.Choice(["sha256", "sha384", "sha512"]),
                help="With which hash the key signs. Without it the curve's own, sha256 for RSA.",
            ),
            option(
                _SIGSTORE,
                "--no-transparency-log",
                is_flag=True,
                help="Demand no log entry of a --key, and look at none. Nothing says when it signed then.",
            ),
            option(
                _SIGSTORE,
                "--predicate-type",
                metavar="URI",
                help="The type that an attestation must have, or * for any. Without it: any with --bundle, and with --layout only "
                "plain signatures, no attestations.",
            ),
            option(
                GENERAL,
                "--at",
                type=read_time,
                metavar="TIME",
                help="Verify files or a layout as of this time (RFC 3339, such as 2026-03-01T12:00:00Z) instead of now.",
            ),
            option(
                GENERAL,
                "--output",
                "-o",
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Lines for a person, or a JSON array with one object for each thing that was verified.",
            ),
        )
    ):
        function = argument(function)
    return function
