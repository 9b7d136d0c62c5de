"""The settings of every kopf operator in this process: no posted events, and retries without end."""

from collections.abc import Iterator
from typing import Final

import kopf

FIRST_BACKOFFS: Final = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0)
LAST_BACKOFF: Final = 30.0
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 30.0


class UnboundedBackoffs:
    """Pauses between retries, without end. A list would have an end, after which kopf exits."""

    def __iter__(self) -> Iterator[float]:
        """Yield seconds."""
        yield from FIRST_BACKOFFS
        while True:
            yield LAST_BACKOFF


def common_settings() -> kopf.OperatorSettings:
    """Return the settings. Discovery runs once at start, so that no permission to watch CRDs is needed."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.networking.error_backoffs = UnboundedBackoffs()
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = REQUEST_SECONDS
    return settings
