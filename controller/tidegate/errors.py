"""The errors tidegate raises on purpose: one root, one class for each way that a caller must react.

Texts are lower-case fragments: what was got, what was expected, what to do.
"""


class Error(Exception):
    """Root of every error that tidegate raises on purpose."""


class ConfigurationError(Error):
    """A setting is wrong: the process must not start."""


class InvalidReferenceError(Error):
    """A text is not an image reference that a container runtime would accept."""


class InvalidManifestError(Error):
    """Bytes are not the manifest that their digest, size or media type promised."""


class PolicyError(Error):
    """A policy object cannot be used. ``problems`` holds one ``field.path: sentence`` each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class VerificationError(Error):
    """Evidence was looked at and proves nothing: malformed, altered, expired, revoked or signed by somebody else."""


class UndeterminedError(Error):
    """Something could not be looked up: neither good nor bad news, and never a reason to allow."""
