"""The identity of the process in AWS, logged at start and by the preflight check: it explains most denials."""

import re
import threading

from tidegate.aws.clients import Clients
from tidegate.aws.errors import classify
from tidegate.aws.reply import ApiResponse

SOURCE = "sts:GetCallerIdentity"
_ARN = re.compile(r"arn:[a-z0-9-]+:(?:sts|iam)::(?P<account>[0-9]{12}):\S{1,600}", re.ASCII)


class Identity:
    """Ask STS who is calling, once; only an answer is remembered."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._known: tuple[str, str] | None = None

    def caller_arn(self) -> str:
        """Return the ARN of the process's own credentials; raise SourceUnavailableError if STS does not answer."""
        return self._ask()[0]

    def account(self) -> str:
        """Return the account of the process's own credentials; raise SourceUnavailableError if STS does not answer."""
        return self._ask()[1]

    def _ask(self) -> tuple[str, str]:
        """Return ARN and account, which must match: they are kept until the process ends."""
        with self._lock:
            if self._known is None:
                try:
                    reply = ApiResponse(self._clients.sts().get_caller_identity(), SOURCE)  # type: ignore[attr-defined]
                except Exception as exc:
                    raise classify(exc, SOURCE) from exc
                arn, account = reply.text("Arn"), reply.text("Account")
                named = _ARN.fullmatch(arn)
                if named is None or named["account"] != account:
                    raise reply.wrong("Arn", f"it is not an identity in account {account[:40]!a}: {arn[:200]!a}")
                self._known = arn, account
            return self._known
