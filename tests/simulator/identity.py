"""Who calls: access keys, the sessions that STS issued, and the SigV4 credential scope that names key and region.

Signatures themselves are not checked; a key that nobody issued, or a token that is not its own, is refused.
"""

import re
import secrets
import time
from dataclasses import dataclass

from tests.simulator.wire import AwsError, Caller
from tests.simulator.world import World

BASE_ACCESS_KEY = "AKIASIMULATOR0000001"
BASE_SECRET_KEY = "simulated"  # opens nothing
BASE_ROLE = "tidegate"

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Temporary credentials; they expire by the real clock, as boto3 sees it."""

    caller: Caller
    secret: str
    token: str
    expires_at: float


class Identities:
    """Know the callers of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, Session] = {}

    def issue(self, *, role_arn: str, session_name: str, seconds: int) -> Session:
        """Make credentials of a role."""
        account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        key = "ASIA" + secrets.token_hex(8).upper()
        role_id = "AROA" + f"{abs(hash(role_arn)):016X}"[:16]
        session = Session(
            caller=Caller(
                account=account,
                arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
                user_id=f"{role_id}:{session_name}",
                access_key=key,
            ),
            secret=secrets.token_hex(20),
            token=secrets.token_hex(32),
            expires_at=time.time() + seconds,
        )
        self._sessions[key] = session
        return session

    def expire(self) -> None:
        """Let every issued session be expired from now on."""
        for key, session in list(self._sessions.items()):
            self._sessions[key] = Session(
                caller=session.caller, secret=session.secret, token=session.token, expires_at=0
            )

    def caller(self, access_key: str, token: str | None) -> Caller:
        """Find who uses an access key (AwsError if nobody may)."""
        if access_key == BASE_ACCESS_KEY:
            account = self._world.account
            arn = f"arn:aws:sts::{account}:assumed-role/{BASE_ROLE}/simulator"
            return Caller(account=account, arn=arn, user_id="AROASIMULATOR0000001:simulator", access_key=access_key)
        session = self._sessions.get(access_key)
        if session is None or session.token != token:
            raise AwsError("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
        if session.expires_at < time.time():
            raise AwsError("ExpiredTokenException", "The security token included in the request is expired", 403)
        return session.caller


def credential_scope(authorization: str) -> tuple[str, str, str] | None:
    """Read (access key, region, service) from an Authorization header; None if it is not SigV4."""
    match = _SCOPE.search(authorization)
    return (match[1], match[2], match[3]) if match else None
