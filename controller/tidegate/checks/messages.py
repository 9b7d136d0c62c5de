"""Fragments of text that several checks share: ages, causes, and sanitized text from outside."""

from datetime import timedelta

from tidegate.evidence.fact import Cause

MAX_FOREIGN_TEXT = 120
"""Characters kept of a text that came from outside, in a message."""

_CAUSES = {
    Cause.DEADLINE: "{service} did not answer in time",
    Cause.THROTTLED: "{service} is throttling requests",
    Cause.UNREACHABLE: "{service} could not be reached",
    Cause.SERVER_ERROR: "{service} answered with a server error",
    Cause.ACCESS_DENIED: "{service} denied tidegate access",
    Cause.CREDENTIALS: "tidegate's credentials for {service} are missing, expired or not valid",
    Cause.ROLE_DENIED: "tidegate may not assume the role of that AWS account",
    Cause.CIRCUIT_OPEN: "{service} failed repeatedly; tidegate retries in a few seconds",
    Cause.OVERLOADED: "tidegate has too many requests waiting",
    Cause.UNEXPECTED_ANSWER: "{service} gave an answer that tidegate does not understand",
    Cause.NOT_ASKED: "it was not looked up",
    Cause.INTERNAL: "an error inside tidegate; its log has the cause",
}

_AWS = "AWS"
_SERVICES = {"oci": "the registry", "ocsp": "the OCSP responder", "crl": "the CRL's host"}
"""Names of services by the first part of a source; all others are AWS."""


def cause_words(cause: Cause, source: str = "") -> str:
    """Return why a fact is missing, as a sentence fragment for users; the details are in the log.

    ``source`` is that of the fact: the API that was called, of AWS or of another service.
    """
    if cause is Cause.ACCESS_DENIED and source and service_name(source) == _AWS:
        return f"tidegate lacks the permission {source}"
    return _CAUSES[cause].format(service=service_name(source))


def service_name(source: str) -> str:
    """Return the service that a source belongs to: ``AWS``, ``the registry``."""
    return _SERVICES.get(source.partition(":")[0], _AWS)


def age(span: timedelta) -> str:
    """Return a time span in its largest whole unit: ``45 s``, ``12 min``, ``3 h``, ``9 d``."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def harmless(text: str, limit: int = MAX_FOREIGN_TEXT) -> str:
    """Return text from outside without control characters and no longer than the limit."""
    printable = text[: limit + 1]
    if not printable.isprintable():
        printable = "".join(character if character.isprintable() else "?" for character in printable)
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def plural(count: int, noun: str, several: str = "") -> str:
    """Return the count with its noun: ``1 image``, ``2 images``; ``several`` is a plural that does not end in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"
