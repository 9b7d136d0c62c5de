"""AWS KMS: the public half of a key that policies verify signatures by. Nothing is ever signed or decrypted here.

Asked in the region and with the credentials for the account that the key's ARN names. Nothing is cached.
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
"""Codes by which KMS says that there is no such key to verify by, now: not that it could not say."""
_USAGES = frozenset({"ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"})
"""What keys are for that verify nothing."""
_PEM_WIDTH = 64


class Kms:
    """Ask AWS KMS. Safe to share between threads."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def public_key(self, arn: str) -> bytes:
        """Return a key's public half as PEM.

        Raise PolicyError where it is no key that signatures can be verified by, and AwsUnavailableError where AWS does
        not say.
        """
        found = _ARN.fullmatch(arn)
        if found is None:
            raise PolicyError((f"not the ARN of a key in AWS KMS: {arn[:200]!a}",))
        where = EcrRegistry(found["partition"], found["account"], found["region"])
        try:
            answer = self._clients.call(_PUBLIC_KEY, where, {"KeyId": arn}, answers=_UNUSABLE)
        except AnsweredError as error:
            raise PolicyError((f"AWS KMS has no such key to verify by: {error.code}",)) from error
        return _pem(ApiResponse(answer, _PUBLIC_KEY.source), answer.get("PublicKey"), arn)


def _pem(reply: ApiResponse, der: object, arn: str) -> bytes:
    """Return the PEM of an answer: that key's, for signing, and of a kind that a policy could also name by its PEM."""
    if reply.text("KeyId") != arn:
        raise reply.wrong("KeyId", "it is another key's answer")
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
        raise reply.wrong("PublicKey", "it is no public key") from exc
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), _PEM_WIDTH))
    pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
    made = make_pem(pem)
    if isinstance(made, Objection):
        raise PolicyError((f"the key in AWS KMS is {made.got}, expected {made.expected}",))
    return pem.encode("ascii")
