"""Notation's payload: which artifact was signed, and with which metadata. Read only after the signature is verified."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.errors import VerificationError
from tidegate.strict.json_text import strict_object
from tidegate.strict.quotation import quoted

PAYLOAD_MEDIA_TYPE = "application/vnd.cncf.notary.payload.v1+json"

_UNREADABLE = "payload is not valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetArtifact:
    """The artifact that is to be verified, from the very bytes that were fetched by its digest."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPayload:
    """The artifact that was signed, and the metadata that the signer added."""

    target: TargetArtifact
    metadata: Mapping[str, str]


def check_payload_type(content_type: str, payload: bytes) -> None:
    """Return when payload and type are ones to read; raise VerificationError otherwise."""
    # N32
    if content_type != PAYLOAD_MEDIA_TYPE:
        raise VerificationError(f"payload content type {quoted(content_type)} not supported")
    if not payload:
        raise VerificationError("content not present")


def read_payload(payload: bytes) -> SignedPayload:
    """Return what the payload says; raise VerificationError when it is no payload of Notation.

    Source: Notary Project signature specification, "Payload".
    """
    # N41
    descriptor = strict_object(payload, _UNREADABLE).get("targetArtifact")
    if not isinstance(descriptor, dict):
        raise VerificationError(f"{_UNREADABLE}: it has no targetArtifact")
    media_type, digest, size = (descriptor.get(name) for name in ("mediaType", "digest", "size"))
    # A bool is an int in Python, and true is no size.
    if not isinstance(media_type, str) or not isinstance(digest, str) or type(size) is not int:
        raise VerificationError(f"{_UNREADABLE}: targetArtifact needs mediaType, digest and size")
    metadata = descriptor.get("annotations", {})
    if not isinstance(metadata, dict) or any(not isinstance(value, str) for value in metadata.values()):
        raise VerificationError(f"{_UNREADABLE}: annotations must map texts to texts")
    return SignedPayload(target=TargetArtifact(media_type=media_type, digest=digest, size=size), metadata=metadata)


def check_target(payload: SignedPayload, target: TargetArtifact) -> None:
    """Return when exactly the wanted artifact was signed: media type, digest and size."""
    # N41
    if payload.target != target:
        raise VerificationError(
            f"content descriptor mismatch: signed was {quoted(payload.target.digest)} of {payload.target.size} bytes and"
            f" type {quoted(payload.target.media_type)}",
            clause="the signature is for another image",
        )


def check_metadata(payload: SignedPayload, required: Mapping[str, str]) -> None:
    """Return when every required metadata was signed with that very value."""
    # N42
    missing = [key for key, value in required.items() if payload.metadata.get(key) != value]
    if missing:
        raise VerificationError(
            f"unable to find specified metadata in the signature: {quoted(missing[0])}",
            clause=f"the signature lacks the required metadata {quoted(missing[0])}",
        )
