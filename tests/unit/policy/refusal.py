"""What an example expects of those who must refuse it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Refused:
    """A spec, the problem that the parser must state, and what the API server's answer must hold."""

    spec: Any
    problem: str
    answer: str


UNKNOWN = "strict decoding error: unknown field"
