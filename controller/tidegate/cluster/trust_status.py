"""The status of a trust store: whether it is in use, its content, and every problem. Pure: it makes no calls."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tidegate.cluster.status import ready_patch, stored_status
from tidegate.policy.trust_stores import BrokenTrustStore, TrustStore
from tidegate.strict.quotation import TIME_FORMAT
from tidegate.trust.store_content import CompiledStore
from tidegate.verify.notation.x509.certificate import Certificate
from tidegate.verify.sigstore.trust_root import TrustRoot

MAX_LISTED: Final = 32
"""Certificates that a status lists, the maximum of the schema."""
MAX_SUBJECT: Final = 1024
STALE: Final = timedelta(days=1)
"""A fetched trusted root that was not refreshed for so long is reported as stale. It stays in use."""
FORGOTTEN: Final = timedelta(days=14)
"""For so long a replica that cannot fetch a trusted root leaves the status to a replica that could."""
SKEW: Final = timedelta(minutes=5)
"""By how much the clocks of two replicas may differ."""
COARSE: Final = timedelta(hours=1)
"""Shortest time between two refresh times in the status, so that replicas write rarely."""


def status_patch(obj: Mapping[str, Any], compiled: CompiledStore, now: datetime) -> dict[str, Any] | None:
    """Return the JSON merge patch that makes a trust store's status true, or None if it is true already.

    The replica that fetched a trusted root last reports it.
    """
    store, refreshed = compiled.store, compiled.refreshed_at
    told = _told_refresh(obj, store.generation, now)
    if isinstance(store, BrokenTrustStore):
        if told is not None and (refreshed is None or refreshed < told) and now - told < FORGOTTEN:
            # Another replica has fetched it since.
            return None
        root, refreshed = None, refreshed and told
        ready, reason, message = False, "Broken", "; ".join(store.problems)
    else:
        root = _root(store, compiled.root)
        if told is not None and refreshed is not None:
            stored_root = stored_status(obj).get("trustedRoot")
            is_older = refreshed < told + (COARSE if root == stored_root else timedelta(seconds=1))
            if stored_root is not None and is_older:
                if root != stored_root and now - told <= STALE:
                    return None
                root, refreshed = stored_root, told
        ready, reason, message = True, "Read", "the trust store is in use"
        if refreshed is not None and now - refreshed > STALE:
            reason = "Stale"
            message += f", but its trusted root was last fetched at {refreshed.strftime(TIME_FORMAT)}"
        elif compiled.root is not None and compiled.root.ignored:
            message += f"; ignored: {'; '.join(compiled.root.ignored)}"
    return ready_patch(
        obj,
        now,
        generation=store.generation,
        status=ready,
        reason=reason,
        message=message,
        fields={
            "certificateCount": len(compiled.certificates) if compiled.certificates else None,
            "certificates": [_certificate(one) for one in compiled.certificates[:MAX_LISTED]] or None,
            "trustedRoot": root,
            "refreshedTime": None if refreshed is None else refreshed.strftime(TIME_FORMAT),
        },
    )


def _told_refresh(obj: Mapping[str, Any], generation: int, now: datetime) -> datetime | None:
    """Return the refresh time in the status, if it is about the present spec and not in the future."""
    status = stored_status(obj)
    try:
        if status.get("observedGeneration") == generation:
            told = datetime.strptime(status["refreshedTime"], TIME_FORMAT).replace(tzinfo=UTC)
            return told if told <= now + SKEW else None
    except (KeyError, TypeError, ValueError):
        pass
    return None


def _certificate(one: Certificate) -> dict[str, str]:
    return {
        "subject": one.subject[:MAX_SUBJECT],
        "fingerprint": one.fingerprint,
        "notAfter": one.not_after.strftime(TIME_FORMAT),
    }


def _root(store: TrustStore | BrokenTrustStore, root: TrustRoot | None) -> dict[str, Any] | None:
    if root is None or not isinstance(store, TrustStore) or store.trusted_root is None:
        return None
    return {
        "sha256": hashlib.sha256(store.trusted_root).hexdigest(),
        "certificateAuthorities": len(root.authorities),
        "certificateLogs": len(root.certificate_logs),
        "transparencyLogs": len(root.logs),
        "timestampAuthorities": len(root.timestamp_authorities),
    }
