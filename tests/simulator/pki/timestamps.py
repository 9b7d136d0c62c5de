"""A timestamp authority: RFC 3161 tokens over given bytes, with every defect that a test asks for."""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import new as new_hash
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.simulator.pki.certificates import TIME_STAMPING, Identity, authority, issue
from tests.simulator.pki.digests import DIGESTS
from tests.simulator.pki.envelopes import SIGNED_AT

BASELINE_POLICY = "0.4.0.2023.1.1"
OTHER_POLICY = "1.3.6.1.4.1.99999.1"


def timestamp_authority(*, kind: str = "p256", issuer: Identity | None = None, **options) -> Identity:
    """Return the identity of an authority whose certificate may sign timestamps and nothing else."""
    defaults: dict[str, Any] = {"purposes": [TIME_STAMPING], "purposes_critical": True}
    return issue("TSA", issuer or authority("TSA"), kind=kind, **(defaults | options))


def issue_token(
    tsa: Identity,
    message: bytes,
    *,
    moment: datetime = SIGNED_AT,
    imprint_hash: str = "sha256",
    digest: str = "sha256",
    accuracy: dict[str, int] | None = None,
    policy: str = OTHER_POLICY,
    tst_version: int = 1,
    tst_extensions: Sequence[dict[str, Any]] = (),
    content_type: str = "tst_info",
    signed_version: str = "v3",
    signer_version: str = "v1",
    signers: int = 1,
    certificates: Sequence[Identity] | None = None,
    ess: str | None = "v2",
    ess_hash: str = "sha256",
    ess_certificate: Identity | None = None,
    ess_issuer: Identity | None = None,
    ess_names: int = 1,
    ess_hosts: int = 0,
    attribute_type: str | None = "tst_info",
    attribute_digest: bytes | None = None,
    more_attributes: Sequence[tuple[str, Sequence[Any]]] = (),
    without_attributes: bool = False,
    pss: bool = False,
    edit_signature: Callable[[bytes], bytes] = bytes,
    imprint: bytes | None = None,
    nonce: int | None = None,
    edit_info: Callable[[bytes], bytes] = bytes,
    edit_data: Callable[[Any], None] | None = None,
) -> bytes:
    """Return the DER of a token over the message, or over the hash of one that is only known by it (``imprint``).

    ``edit_info`` changes the TSTInfo's bytes before they are signed, ``edit_data`` the whole (asn1crypto's) afterwards.
    """
    info = tsp.TSTInfo(
        {
            "version": tst_version,
            "policy": policy,
            "message_imprint": {
                "hash_algorithm": {"algorithm": imprint_hash},
                "hashed_message": imprint or new_hash(imprint_hash, message).digest(),
            },
            "serial_number": 7,
            "gen_time": moment,
            **({"accuracy": accuracy} if accuracy else {}),
            **({"nonce": nonce} if nonce is not None else {}),
            **({"extensions": list(tst_extensions)} if tst_extensions else {}),
        }
    ).dump()
    info = edit_info(info)
    own = asn1_x509.Certificate.load(tsa.der)
    attributes = [] if attribute_type is None else [_attribute("content_type", attribute_type)]
    attributes.append(_attribute("message_digest", attribute_digest or new_hash(digest, info).digest()))
    attributes += _ess(ess, ess_hash, ess_certificate or tsa, ess_issuer, ess_names, ess_hosts)
    attributes += [cms.CMSAttribute({"type": kind, "values": list(values)}) for kind, values in more_attributes]
    signed_attributes = cms.CMSAttributes(attributes)
    signed = info if without_attributes else signed_attributes.dump()
    signer = cms.SignerInfo(
        {
            "version": signer_version,
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number", {"issuer": own.issuer, "serial_number": own.serial_number}
            ),
            "digest_algorithm": {"algorithm": digest},
            **({} if without_attributes else {"signed_attrs": signed_attributes}),
            "signature_algorithm": _signature_algorithm(tsa, digest, pss=pss),
            "signature": edit_signature(_sign(tsa, signed, digest, pss=pss)),
        }
    )
    held = tsa.chain if certificates is None else certificates
    data = cms.SignedData(
        {
            "version": signed_version,
            "digest_algorithms": [{"algorithm": digest}],
            "encap_content_info": {"content_type": content_type, "content": core.ParsableOctetString(info)},
            "certificates": [asn1_x509.Certificate.load(identity.der) for identity in held],
            "signer_infos": [signer] * signers,
        }
    )
    if edit_data is not None:
        edit_data(data)
    return cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()  # type: ignore[no-any-return]


def _attribute(kind: str, value: Any) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": kind, "values": [value]})


def _ess(
    kind: str | None, digest: str, certificate: Identity, issuer: Identity | None, names: int, hosts: int
) -> list[cms.CMSAttribute]:
    if kind is None:
        return []
    if kind == "v1":
        identifier = tsp.ESSCertID({"cert_hash": new_hash("sha1", certificate.der).digest()})
        return [_attribute("signing_certificate", tsp.SigningCertificate({"certs": [identifier]}))]
    if kind == "empty":
        return [_attribute("signing_certificate_v2", tsp.SigningCertificateV2({"certs": []}))]
    fields: dict[str, Any] = {
        "hash_algorithm": {"algorithm": digest},
        "cert_hash": new_hash(digest, certificate.der).digest(),
    }
    if issuer is not None:
        named = asn1_x509.Certificate.load(issuer.der)
        fields["issuer_serial"] = {
            "issuer": [asn1_x509.GeneralName("directory_name", named.issuer)] * names
            + [asn1_x509.GeneralName("dns_name", "tsa.test")] * hosts,
            "serial_number": named.serial_number,
        }
    return [_attribute("signing_certificate_v2", tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2(fields)]}))]


def _signature_algorithm(tsa: Identity, digest: str, *, pss: bool) -> algos.SignedDigestAlgorithm:
    if isinstance(tsa.key, rsa.RSAPrivateKey):
        return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss" if pss else "rsassa_pkcs1v15"})
    return algos.SignedDigestAlgorithm({"algorithm": f"{digest}_ecdsa"})


def _sign(tsa: Identity, signed: bytes, digest: str, *, pss: bool) -> bytes:
    chosen = DIGESTS[digest]()
    if isinstance(tsa.key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if pss else padding.PKCS1v15()
        return tsa.key.sign(signed, scheme, chosen)
    assert isinstance(tsa.key, ec.EllipticCurvePrivateKey)
    return tsa.key.sign(signed, ec.ECDSA(chosen))
