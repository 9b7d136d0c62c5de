"""AWS KMS: public keys by which policies verify signatures. Nothing is signed or decrypted.

KMS is called in the region and with the credentials for the account of the key's ARN. Nothing is cached.
"""

import base64
import re
import textwrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.reply import ApiResponse
from tidegate.errors import PolicyError
from tidegate.images.repository import EcrRegistry
from tidegate.strict.objection import Objection
from tidegate.verify.sigstore.pem_key import make_pem

MAX_DER = 2048
"""Bytes of a public key; RSA of 8192 bits has 1,062."""

_PUBLIC_KEY = Api("kms", "GetPublicKey")
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]{0,20}):kms:(?P<region>[a-z0-9-]{1,32}):(?P<account>[0-9]{12}):key/[A-Za-z0-9-]{1,64}",
    re.ASCII,
)
_UNUSABLE = frozenset(
    {
        "DisabledException",
        "InvalidArnException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
        "UnsupportedOperationException",
    }
)
"""KMS answers that this key cannot be used now: an answer, not a failed look-up."""
_USAGES = frozenset({"ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"})
"""Uses of keys that verify no signatures."""
_PEM_WIDTH = 64


class Kms:
    """Ask AWS KMS. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def public_key(self, arn: str) -> bytes:
        """Return a public key as PEM.

        Raise PolicyError if it cannot verify signatures, and SourceUnavailableError if KMS does not answer.
        """
        found = _ARN.fullmatch(arn)
        if found is None:
            raise PolicyError((f"not the ARN of a key in AWS KMS: {arn[:200]!a}",))
        where = EcrRegistry(found["partition"], found["account"], found["region"])
        try:
            answer = self._clients.call(_PUBLIC_KEY, where, {"KeyId": arn}, answers=_UNUSABLE)
        except AnsweredError as error:
            raise PolicyError((f"AWS KMS has no usable key of this ARN: {error.code}",)) from error
        return _pem(ApiResponse(answer, _PUBLIC_KEY.source), answer.get("PublicKey"), arn)


def _pem(reply: ApiResponse, der: object, arn: str) -> bytes:
    """Return the PEM of an answer for the key, which must be for signing and of a kind that a policy could name by PEM."""
    if reply.text("KeyId") != arn:
        raise reply.wrong("KeyId", "the answer is about another key")
    if not isinstance(der, bytes) or not 0 < len(der) <= MAX_DER:
        raise reply.wrong("PublicKey", f"expected 1 to {MAX_DER} bytes")
    if (usage := reply.text("KeyUsage")) in _USAGES:
        raise PolicyError((f"the key in AWS KMS is for {usage}, not for signing",))
    reply.require_same("KeyUsage", "SIGN_VERIFY")
    try:
        load_der_public_key(der)
    except UnsupportedAlgorithm:
        pass
    except Exception as exc:
        raise reply.wrong("PublicKey", "it is not a public key") from exc
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), _PEM_WIDTH))
    pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
    made = make_pem(pem)
    if isinstance(made, Objection):
        raise PolicyError((f"the key in AWS KMS is {made.got}, expected {made.expected}",))
    return pem.encode("ascii")
