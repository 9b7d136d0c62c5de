"""Public keys that policies name by ARN: read in the background when a policy first names them, and again every day.

Neither a request nor a policy waits for them. That AWS says there is no such key ends its use at once; that AWS does not say leaves the last
good one in use, since the key behind an ARN never changes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from tidegate.errors import PolicyError, UndeterminedError
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.trust.refresh import Read, Refresh

MAX_KEYS: Final = 256
"""Keys in AWS KMS of all policies; those beyond it, by ARN, are not read."""
RENEW_SECONDS: Final = 24 * 3600.0

NOT_YET: Final = "it has not been read yet"
TOO_MANY: Final = f"it is not read, since policies name more than {MAX_KEYS} keys"

_log = structlog.get_logger(__name__)


class PublicKeySource(Protocol):
    """Where public keys are read; it blocks."""

    def public_key(self, arn: str) -> bytes:
        """Return the PEM; raise PolicyError where there is no such key, AwsUnavailableError where AWS does not say."""
        ...


class KmsKeys:
    """Keeps the public keys that are wanted."""

    def __init__(self, source: PublicKeySource) -> None:
        self._source = source
        self._refreshing: Refresh[str, bytes | str] = Refresh(self._ask)
        self.run = self._refreshing.run
        self.wait = self._refreshing.wait

    def notify(self, changed: Callable[[], None]) -> None:
        """Have it called whenever an answer is new or another one."""
        self._refreshing.on_change = changed

    def answers(self, arns: Sequence[str]) -> Mapping[str, bytes | str]:
        """Say which keys are wanted, and no others; return the PEM of each as bytes, or a text that says why not.

        Nothing waits: one that is new has not been read yet. ``run`` does the reading.
        """
        wanted = sorted(set(arns))
        self._refreshing.want(wanted[:MAX_KEYS])
        read = {arn: self._refreshing.answer(arn) for arn in wanted[:MAX_KEYS]}
        return {arn: read.get(arn, TOO_MANY) or NOT_YET for arn in wanted}

    def is_read(self) -> bool:
        """Tell whether each key that is wanted was asked for once, whatever came of it."""
        return self._refreshing.is_answered()

    def _ask(self, arn: str, before: bytes | str | None) -> Read[bytes | str]:
        """Ask for one key; runs in a thread."""
        try:
            key = self._source.public_key(arn)
            if isinstance(before, bytes) and key != before:
                _log.error("AWS KMS returned a different public key for the same ARN, which is ignored", key=arn)
                return Read(answer=before)
            return Read(answer=key, again_seconds=RENEW_SECONDS)
        except PolicyError as error:
            # The answer is read in the policy's status too: AWS's own words are for the log.
            _log.warning("a public key is unusable", key=arn, error=str(error.__cause__ or error))
            return Read(answer="; ".join(error.problems))
        except UndeterminedError as error:
            cause = error.cause.value if isinstance(error, SourceUnavailableError) else type(error).__name__
            _log.warning("cannot read a public key from AWS KMS", key=arn, error=str(error))
            why = f"it could not be read from AWS KMS ({cause})"
            return Read(answer=before if isinstance(before, bytes) else why)
        except UnknownRegionError as error:
            return Read(answer=f"it cannot be read from AWS KMS: {error}")
        except Exception as error:  # noqa: BLE001 - the next try may work, and nobody else would make one
            _log.warning("cannot read a public key", key=arn, error=type(error).__name__)
            return Read(
                answer=before
                if isinstance(before, bytes)
                else "it could not be read, because of an error inside tidegate"
            )
