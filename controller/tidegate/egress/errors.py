"""The one error of an exchange that gave no answer, with the kind of problem."""

from enum import StrEnum

from tidegate.errors import UndeterminedError

MAX_DETAIL = 300
"""Characters kept of a text that came from outside."""


class Problem(StrEnum):
    """Why there is no answer. The first two mean that nothing was connected to."""

    BAD_URL = "BadUrl"
    FORBIDDEN_ADDRESS = "ForbiddenAddress"
    NO_ADDRESS = "NoAddress"
    UNREACHABLE = "Unreachable"
    CERTIFICATE = "Certificate"
    DEADLINE = "DeadlineExceeded"
    TOO_LARGE = "TooLarge"
    BAD_ANSWER = "BadAnswer"


class EgressError(UndeterminedError):
    """No answer; the text is fit for the operator's eyes and for a user's, and names the host."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail[:MAX_DETAIL])
        self.problem = problem
