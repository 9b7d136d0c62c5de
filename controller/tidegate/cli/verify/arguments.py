"""The arguments of ``tidegate verify`` as its help shows them, form by form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tidegate.cli.options import config_option, namespace_option, output_option, timeout_option
from tidegate.cli.verify.options import GENERAL, file_option, option, read_time, within

F = Callable[..., Any]

_WHAT = "Files and layouts (offline)"
_REGISTRY = "Images in registries (--policy)"
_NOTATION = "Notation options (--envelope, --layout)"
_SIGSTORE = "Sigstore options (--bundle, --layout)"


def verify_arguments(function: F) -> F:
    """Add the arguments, in the order in which the help shows them."""
    for argument in reversed(
        (
            click.argument("subjects", nargs=-1, metavar="[IMAGE|ARTIFACT]..."),
            file_option(_WHAT, "--envelope", help="A Notation signature envelope, JWS or COSE."),
            file_option(_WHAT, "--bundle", help="A Sigstore bundle (JSON, version 0.1 to 0.3)."),
            option(
                _WHAT,
                "--layout",
                metavar="DIR[:TAG|@DIGEST]",
                help="An image in an OCI image layout, with all signatures in it. Notation signatures need "
                "--trust-policy; Sigstore bundles and cosign signatures need the Sigstore options.",
            ),
            file_option(
                _REGISTRY,
                "--policy",
                multiple=True,
                help="YAML file with the ImagePolicy objects that name the trusted signers of each IMAGE, and the "
                "TrustStores and ConfigMaps that they use; may be repeated. Keys in AWS KMS and trusted roots of TUF "
                "repositories are fetched once.",
            ),
            namespace_option("Namespace of the images. It selects the policies that apply.", **within(_REGISTRY)),
            config_option(**within(_REGISTRY)),
            timeout_option(**within(_REGISTRY)),
            option(
                _NOTATION,
                "--reference",
                metavar="REGISTRY/REPOSITORY@DIGEST",
                help="The signed image. Its registry and repository select the statement of the trust policy. With --layout "
                "you can omit the digest.",
            ),
            file_option(
                _NOTATION,
                "--descriptor",
                help="The OCI descriptor of the signed manifest: a JSON object with mediaType, digest and size.",
            ),
            option(
                _NOTATION,
                "--envelope-type",
                type=click.Choice(["jws", "cose"]),
                help="Format of the envelope. Default: JWS if the file begins with a brace, else COSE.",
            ),
            file_option(_NOTATION, "--trust-policy", help="Notation's trustpolicy.json."),
            option(
                _NOTATION,
                "--trust-store",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                metavar="DIR",
                help="Notation's trust store directory: DIR/x509/<ca|signingAuthority|tsa>/<name>/ with certificate files, "
                "PEM or DER. Links and subfolders are refused.",
            ),
            file_option(
                _NOTATION,
                "--ocsp",
                multiple=True,
                help="An OCSP response (DER) for the revocation check; may be repeated.",
            ),
            file_option(
                _NOTATION, "--crl", multiple=True, help="A CRL (DER or PEM) for the revocation check; may be repeated."
            ),
            file_option(
                _NOTATION,
                "--signer-answer",
                help="With --envelope: the JSON output of `aws signer get-revocation-status` for this signature. "
                "Without this option, tidegate prints the command to run.",
            ),
            option(
                _NOTATION,
                "--metadata",
                multiple=True,
                metavar="KEY=VALUE",
                help="Metadata that the signature must contain (notation sign --user-metadata); may be repeated.",
            ),
            option(_SIGSTORE, "--digest", metavar="sha256:...", help="The digest of the signed artifact."),
            file_option(_SIGSTORE, "--artifact", help="The signed artifact; the same as ARTIFACT."),
            file_option(
                _SIGSTORE, "--trusted-root", help="Sigstore's trusted_root.json, with the trusted CAs and logs."
            ),
            option(
                _SIGSTORE,
                "--certificate-identity",
                metavar="TEXT",
                help="The signer's identity, exactly as in the certificate: an e-mail address, or a workflow's URI.",
            ),
            option(
                _SIGSTORE,
                "--certificate-identity-regexp",
                metavar="RE2",
                help="The same as an RE2 expression, which must match the whole identity.",
            ),
            option(
                _SIGSTORE,
                "--certificate-oidc-issuer",
                metavar="TEXT",
                help="The OIDC issuer of the identity, exactly, such as https://token.actions.githubusercontent.com.",
            ),
            option(
                _SIGSTORE,
                "--certificate-oidc-issuer-regexp",
                metavar="RE2",
                help="The same as an RE2 expression, which must match the whole issuer.",
            ),
            file_option(_SIGSTORE, "--key", help="The signer's public key (PEM), instead of an identity."),
            option(
                _SIGSTORE,
                "--key-hash",
                type=click.Choice(["sha256", "sha384", "sha512"]),
                help="Hash algorithm of the key's signatures. Default: the one of the curve; sha256 for RSA.",
            ),
            option(
                _SIGSTORE,
                "--no-transparency-log",
                is_flag=True,
                help="With --key: require no log entry, and ignore log entries. The signing time is then unknown.",
            ),
            option(
                _SIGSTORE,
                "--predicate-type",
                metavar="URI",
                help="Predicate type that an attestation must have, or * for any. Default: any type with --bundle; with "
                "--layout only signatures, no attestations.",
            ),
            option(
                GENERAL,
                "--at",
                type=read_time,
                metavar="TIME",
                help="Verify files or a layout as of this time (RFC 3339, such as 2026-03-01T12:00:00Z) instead of now.",
            ),
            output_option(
                text="Output format: text for people, or a JSON array with one object for each image or artifact.",
                **within(GENERAL),
            ),
        )
    ):
        function = argument(function)
    return function
