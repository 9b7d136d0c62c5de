"""The root classes of tidegate's own errors, one for each way that a caller reacts.

Texts are lower-case fragments: what was got, what was expected, what to do.
"""

from typing import TypeVar


class Error(Exception):
    """Root of all of tidegate's own errors."""


E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """Return the error without the tracebacks of itself and of the errors behind it, and so without what their frames hold."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            left += (one.__cause__, one.__context__)
    return error


class ConfigurationError(Error):
    """A setting is invalid: the process must not start."""


class InvalidReferenceError(Error):
    """A text is not an image reference that a container runtime accepts."""


class InvalidEventError(Error):
    """A message is not an event of AWS. The text is for operators and repeats no more than a name of the message, quoted."""


class InvalidManifestError(Error):
    """Bytes are not the manifest of their digest, size or media type."""


class PolicyError(Error):
    """A policy object is invalid. ``problems`` has one ``field.path: sentence`` for each problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _JudgedError(Error):
    """The message is for operators. ``clause`` and ``accepted`` may be shown to users.

    ``clause`` says in one clause what is wrong: our own words, with names that others chose only quoted. ``accepted`` says
    who may sign instead. Both are empty where there is nothing to add to the step that failed.
    """

    def __init__(self, message: object = "", *, clause: str = "", accepted: str = "") -> None:
        super().__init__(message)
        self.clause = clause
        self.accepted = accepted


class VerificationError(_JudgedError):
    """A signature is not valid: malformed, altered, expired, revoked or by another signer."""


class UndeterminedError(_JudgedError):
    """Something could not be looked up. It never allows an image."""
