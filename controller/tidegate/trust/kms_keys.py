"""Public keys in AWS KMS that policies name by ARN: read in the background, and again every day.

Neither a request nor a policy waits for them. If AWS answers that there is no such key, its use ends at once. If AWS gives
no answer, the last good key stays in use, because the key behind an ARN never changes.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from tidegate.errors import PolicyError, UndeterminedError
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.trust.refresh import Read, Refresh

MAX_KEYS: Final = 256
"""Keys that are read, for all policies together; further ones in the order of ARNs are not."""
RENEW_SECONDS: Final = 24 * 3600.0

NOT_YET: Final = "it has not been read yet"
TOO_MANY: Final = f"it is not read, because policies name more than {MAX_KEYS} keys"

_log = structlog.get_logger(__name__)


class PublicKeySource(Protocol):
    """Reads public keys; blocking."""

    def public_key(self, arn: str) -> bytes:
        """Return the PEM; raise PolicyError if there is no such key, SourceUnavailableError if AWS gives no answer."""
        ...


class KmsKeys(Refresh[str, bytes | str]):
    """Keeps the public keys that policies name."""

    def __init__(self, source: PublicKeySource) -> None:
        super().__init__(self._ask)
        self._source = source

    def answers(self, arns: Sequence[str]) -> Mapping[str, bytes | str]:
        """Keep these keys and forget all others; return the PEM of each as bytes, or a text with the reason.

        It does not wait: ``run`` reads the keys.
        """
        wanted = sorted(set(arns))
        self.want(wanted[:MAX_KEYS])
        read = {arn: self.answer(arn) for arn in wanted[:MAX_KEYS]}
        return {arn: read.get(arn, TOO_MANY) or NOT_YET for arn in wanted}

    def _ask(self, arn: str, before: bytes | str | None) -> Read[bytes | str]:
        """Read one key; runs in a thread."""
        try:
            key = self._source.public_key(arn)
            if isinstance(before, bytes) and key != before:
                _log.error("AWS KMS returned a different public key for the same ARN, which is ignored", key=arn)
                return Read(answer=before)
            return Read(answer=key, again_seconds=RENEW_SECONDS)
        except PolicyError as error:
            # Tenants can read the policy's status, so AWS's own message is only logged.
            _log.warning("a public key is unusable", key=arn, error=str(error.__cause__ or error))
            return Read(answer="; ".join(error.problems))
        except UndeterminedError as error:
            cause = error.cause.value if isinstance(error, SourceUnavailableError) else type(error).__name__
            _log.warning("cannot read a public key from AWS KMS", key=arn, error=str(error))
            why = f"it could not be read from AWS KMS ({cause})"
            return Read(answer=before if isinstance(before, bytes) else why)
        except UnknownRegionError as error:
            return Read(answer=f"it cannot be read from AWS KMS: {error}")
        except Exception as error:  # noqa: BLE001 - the next read may succeed
            _log.warning("cannot read a public key", key=arn, error=type(error).__name__)
            return Read(
                answer=before
                if isinstance(before, bytes)
                else "it could not be read, because of an error inside tidegate"
            )
