"""The one error of an exchange without an answer, with the kind of problem."""

from enum import StrEnum

from tidegate.errors import UndeterminedError

MAX_DETAIL = 300
"""Characters kept of a text from outside."""


class Problem(StrEnum):
    """Why there is no answer. With the first two, no connection was made."""

    BAD_URL = "BadUrl"
    FORBIDDEN_ADDRESS = "ForbiddenAddress"
    NO_ADDRESS = "NoAddress"
    UNREACHABLE = "Unreachable"
    CERTIFICATE = "Certificate"
    DEADLINE = "DeadlineExceeded"
    TOO_LARGE = "TooLarge"
    BAD_ANSWER = "BadAnswer"


class EgressError(UndeterminedError):
    """There is no answer. The text may be shown to users, and names the host."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail[:MAX_DETAIL])
        self.problem = problem
