"""Envelopes with one part changed."""

from collections.abc import Callable
from typing import Any

import cbor2

from tests.simulator.pki.envelopes import COSE, sign, sign_raw
from tests.unit.verify.notation.world import signer

TIME = "io.cncf.notary.signingTime"


def setting(key: Any, value: object) -> Callable[[dict], None]:
    return lambda parts: parts.__setitem__(key, value)


def parts(edit: Callable[[list], Any]) -> bytes:
    """Return a signed COSE envelope whose four parts were edited afterwards."""
    return sign(signer(), COSE, edit_parts=lambda message: edit(message["parts"]))


def raw_header(header: bytes) -> bytes:
    """Return a COSE envelope with exactly these bytes as the protected header, signed with the signer's key."""
    body = b"{}"
    signature = sign_raw(signer().key, cbor2.dumps(["Signature1", header, b"", body]))
    return cbor2.dumps(cbor2.CBORTag(18, [header, {33: list(signer().ders)}, body, signature]))


SOUND_HEADER = sign(signer(), COSE)
HEADER_BYTES = cbor2.loads(SOUND_HEADER).value[0]
