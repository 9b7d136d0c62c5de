"""The root classes of tidegate's own errors, one for each way that a caller reacts.

Texts are lower-case fragments: what was got, what was expected, what to do.
"""


class Error(Exception):
    """Root of all of tidegate's own errors."""


class ConfigurationError(Error):
    """A setting is invalid: the process must not start."""


class InvalidReferenceError(Error):
    """A text is not an image reference that a container runtime accepts."""


class InvalidManifestError(Error):
    """Bytes are not the manifest of their digest, size or media type."""


class PolicyError(Error):
    """A policy object is invalid. ``problems`` has one ``field.path: sentence`` for each problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class VerificationError(Error):
    """A signature is not valid: malformed, altered, expired, revoked or by another signer."""


class UndeterminedError(Error):
    """Something could not be looked up. It never allows an image."""
