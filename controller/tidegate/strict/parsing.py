"""The one place where any exception of a parser becomes our error.

Parsers of certificates, CMS, CRLs and OCSP answers raise many exceptions on hostile bytes (ValueError, TypeError,
KeyError, UnsupportedAlgorithm, InvalidVersion ...), some only when a field is read. No list of classes is complete.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.errors import Error, VerificationError


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn every exception but our own into VerificationError with the text ``what`` and the exception's class.

    The exception's own text is left out: it may repeat the hostile bytes.
    """
    try:
        yield
    except Error:
        raise
    except Exception as exception:
        raise VerificationError(f"{what} ({type(exception).__name__})") from exception
