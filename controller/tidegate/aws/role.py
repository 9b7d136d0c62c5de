"""Credentials of an assumed role that renew themselves.

The SDK's refreshable credentials do the locking: one thread renews, the others wait or use what is still valid. Added
here: a refusal is remembered briefly, so that waiting threads do not all repeat the call, and credentials that AWS
rejects before they expire are renewed once.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from botocore.credentials import DeferredRefreshableCredentials

from tidegate.aws.accounts import RegistryAccount
from tidegate.aws.errors import classify, unexpected
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError, again

SOURCE = "sts:AssumeRole"
SESSION_SECONDS = 3600
"""The most that AWS allows for a chained role."""
SESSION_NAME = "tidegate"
REFUSAL_SECONDS = 5.0
"""How long a failed AssumeRole answers all threads."""

AssumeRole = Callable[..., Mapping[str, Any]]

# The SDK would log the refusal of every thread with a traceback. Callers report each one.
logging.getLogger("botocore.credentials").setLevel(logging.ERROR)


class RoleCredentials(DeferredRefreshableCredentials):
    """Credentials of one role, assumed when first needed.

    ``assume_role`` is the method of an STS client. Failures are raised as SourceUnavailableError by the call that
    needed the credentials: ROLE_DENIED if STS refuses, otherwise the cause of the STS call.
    """

    def __init__(self, account: RegistryAccount, assume_role: AssumeRole) -> None:
        super().__init__(refresh_using=self._assume, method="assume-role")
        self._account = account.role_account or ""
        self._request = {
            "RoleArn": account.role_arn,
            "RoleSessionName": SESSION_NAME,
            "DurationSeconds": SESSION_SECONDS,
        } | ({"ExternalId": account.external_id} if account.external_id is not None else {})
        self._assume_role = assume_role
        self._refusal: tuple[float, SourceUnavailableError] | None = None
        self._rejected = False
        self._rejecting = threading.Lock()
        self.generation = 0
        """How often the role was assumed; tells rejected credentials from newer ones."""

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Tell whether to renew: near expiry, or when AWS rejected these credentials."""
        return self._rejected or super().refresh_needed(refresh_in)

    def current(self) -> int:
        """Renew the credentials if need be, and return their generation."""
        self.get_frozen_credentials()
        return self.generation

    def reject(self, generation: int) -> None:
        """Note that AWS rejected the credentials of a generation; only the newest are dropped."""
        with self._rejecting:
            if generation == self.generation:
                self._rejected = True

    def _assume(self) -> dict[str, Any]:
        """Assume the role. The SDK calls this under its lock, one thread at a time."""
        if self._refusal is not None and monotonic() - self._refusal[0] < REFUSAL_SECONDS:
            raise again(self._refusal[1])
        try:
            renewed = _credentials(self._assume_role(**self._request), self._account)
        except Exception as exc:
            error = classify(exc, SOURCE)
            self._refusal = (monotonic(), error)
            raise error from exc
        self._refusal = None
        with self._rejecting:
            self.generation += 1
            self._rejected = False
        return renewed


def _credentials(answer: Mapping[str, Any], account: str) -> dict[str, Any]:
    """Return an AssumeRole answer as the SDK's metadata of refreshed credentials; the role must be in the account."""
    user = answer.get("AssumedRoleUser")
    arn = user.get("Arn") if isinstance(user, Mapping) else None
    if not isinstance(arn, str) or f"::{account}:assumed-role/" not in arn:
        raise unexpected(SOURCE, f"the credentials are not those of the role that was asked for: {str(arn)[:200]!a}")
    found = answer.get("Credentials")
    parts = found if isinstance(found, Mapping) else {}
    key, secret, token = (parts.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    expiry = parts.get("Expiration")
    if not all(isinstance(part, str) and part for part in (key, secret, token)) or not isinstance(expiry, datetime):
        raise unexpected(SOURCE, "the answer has no credentials")
    if expiry <= datetime.now(UTC):
        raise SourceUnavailableError(
            Cause.CREDENTIALS, SOURCE, "the credentials that STS gave are expired: check the clock"
        )
    return {"access_key": key, "secret_key": secret, "token": token, "expiry_time": expiry.isoformat()}
