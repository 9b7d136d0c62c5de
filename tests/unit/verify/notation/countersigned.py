"""Envelopes with a countersignature, and what verification says of their time."""

from datetime import timedelta
from typing import Any

from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import SIGNED_AT, sign
from tests.simulator.pki.timestamps import issue_token, timestamp_authority
from tests.unit.verify.notation.world import signer, statement, stores, verify
from tidegate.verify.notation.outcome import NotationOutcome
from tidegate.verify.notation.trust_store.store import CertificateStores

SECOND = timedelta(seconds=1)
TSA = timestamp_authority()
STORES = stores(ca=signer().root, tsa=TSA.root)
NAMED = ("ca:acme", "tsa:acme")
WITH_TSA = statement(stores=NAMED)


def judge(
    *, tsa: Identity = TSA, trusted: CertificateStores = STORES, leaf: Identity | None = None, **token: Any
) -> NotationOutcome:
    """Verify a signature whose countersignature was made with these options."""
    envelope = sign(leaf or signer(), token=lambda raw: issue_token(tsa, raw, **token))
    return verify(envelope, policy=WITH_TSA, trusted=trusted)


LEAF_SPAN = {"not_before": SIGNED_AT - timedelta(days=1), "not_after": SIGNED_AT + timedelta(days=1)}
SHORT = issue("short", authority(), purposes=[CODE_SIGNING], **LEAF_SPAN)  # type: ignore[arg-type]
VERIFY = "failed to verify the timestamp countersignature with error"
OTHER = timestamp_authority(issuer=authority("Other TSA"))
