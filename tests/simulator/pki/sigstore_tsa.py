"""A timestamp authority as Sigstore knows them: RFC 3161 answers about any bytes, at any time, signed by its own chain."""

import hashlib
from datetime import datetime

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

POLICY = "1.3.6.1.4.1.57264.2"


class TimestampAuthority:
    """Signs what it is given with ``key``; ``certificate`` must allow time stamping and nothing else."""

    def __init__(self, *, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key
        self._serial = 0

    def answer(self, message: bytes, at: datetime, *, imprint: bytes | None = None) -> bytes:
        """Return the DER of a TimeStampResp over the SHA-256 of the message, or over that of one not known (``imprint``)."""
        self._serial += 1
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY,
                "message_imprint": {
                    "hash_algorithm": {"algorithm": "sha256"},
                    "hashed_message": imprint or hashlib.sha256(message).digest(),
                },
                "serial_number": self._serial,
                "gen_time": at.replace(microsecond=0),
            }
        )
        content: bytes = info.dump()
        leaf = asn1_x509.Certificate.load(self.certificate.public_bytes(Encoding.DER))
        attributes = self._attributes(content)
        signature = self._key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
        signed_data = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
                "certificates": [leaf],
                "signer_infos": [
                    {
                        "version": "v1",
                        "sid": cms.SignerIdentifier(
                            {
                                "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                                    {"issuer": leaf.issuer, "serial_number": leaf.serial_number}
                                )
                            }
                        ),
                        "digest_algorithm": {"algorithm": "sha256"},
                        "signed_attrs": attributes,
                        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                        "signature": signature,
                    }
                ],
            }
        )
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed_data})
        response: bytes = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()
        return response

    def _attributes(self, content: bytes) -> cms.CMSAttributes:
        return cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
            ]
        )
