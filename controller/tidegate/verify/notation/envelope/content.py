"""An envelope whose parts are known and whose signature is not yet checked: what both formats are read into."""

from dataclasses import dataclass

from tidegate.verify.notation.envelope.attributes import ProtectedHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeContent:
    """The parts of an envelope; nothing in it is proved.

    ``signed`` are the received bytes that the signature covers, never bytes encoded anew. ``chain`` holds the DER of
    the certificates, the signer's first. ``timestamp_token`` is not covered by the signature.
    """

    media_type: str
    header: ProtectedHeader
    payload: bytes
    signed: bytes
    signature: bytes
    chain: tuple[bytes, ...]
    timestamp_token: bytes | None
