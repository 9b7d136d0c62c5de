"""Downloads of single blobs from the URLs of ``ecr:GetDownloadUrlForLayer``: HTTPS, bounded, without AWS credentials.

ECR's URL is itself a credential, so no message shows it. Proxies and CA bundle are the SDK's. No redirect is followed.
"""

import threading
from collections.abc import Callable

from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from tidegate.aws.accounts import AwsSettings
from tidegate.aws.errors import classify, unexpected
from tidegate.egress.errors import EgressError
from tidegate.egress.hosts import DEFAULT_PORTS, Target, is_address, parse_url
from tidegate.evidence.fact import Cause
from tidegate.evidence.signature_artifacts import MAX_ENVELOPE_BYTES, Descriptor, SkipReason, UnusableArtifactError
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.digest import digest_of

SOURCE = "s3:GetObject"
"""The action that the policy of an S3 endpoint must allow for a download."""
MAX_HOSTS = 64
"""Hosts with kept connections: one or two for each region."""
CHUNK_BYTES = 64 * 1024
MAX_DIGITS = 20
"""Longest Content-Length that is read."""

_OK, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 200, 403, 429, 500
_TRANSIENT = frozenset({Cause.UNREACHABLE, Cause.SERVER_ERROR})


class LayerDownloads:
    """Fetch blobs by the URLs that ECR signs. Safe to share between threads.

    ``ca_bundle`` is a file of certificates in place of the system's, as the SDK's ``AWS_CA_BUNDLE`` names one.
    """

    def __init__(self, settings: AwsSettings, *, ca_bundle: str | None = None) -> None:
        self._settings = settings
        self._verify: str | bool = ca_bundle or True
        self._lock = threading.Lock()
        self._sessions: dict[str, URLLib3Session] = {}

    def fetch(self, url: str, *, endpoint: str, blob: Descriptor, seconds_left: Callable[[], float]) -> bytes:
        """Return the bytes of a blob, within about ``seconds_left``.

        ``endpoint`` is the URL at which ECR was called. Raise UnusableArtifactError if the size is not the one of the
        manifest, which the pusher chose, and SourceUnavailableError for every other failure: a proxy's page, half a
        blob, nothing. Failures that may pass are retried as calls are.
        """
        target = _checked(url, endpoint)
        attempts = self._settings.attempts
        while True:
            attempts -= 1
            try:
                return self._fetch(url, target, blob, seconds_left)
            except SourceUnavailableError as exc:
                if attempts <= 0 or exc.cause not in _TRANSIENT or seconds_left() <= 0:
                    raise

    def _fetch(self, url: str, target: Target, blob: Descriptor, seconds_left: Callable[[], float]) -> bytes:
        host = target.host
        try:
            request = AWSRequest(method="GET", url=url, stream_output=True).prepare()
            response: AWSResponse = self._session(target).send(request)
        except Exception as exc:  # noqa: BLE001 - classified
            # The SDK puts the whole URL, which is a credential, into its messages.
            raise SourceUnavailableError(
                classify(exc, SOURCE).cause, SOURCE, f"{type(exc).__name__} at {host}"
            ) from None
        try:
            self._check_status(response, host)
            return _checked_blob(_body(response, seconds_left), blob)
        except (HTTPError, OSError) as exc:
            problem = f"{type(exc).__name__} at {host}: the connection ended early"
            raise SourceUnavailableError(Cause.UNREACHABLE, SOURCE, problem) from None
        finally:
            response.raw.close()

    @staticmethod
    def _check_status(response: AWSResponse, host: str) -> None:
        status = response.status_code
        if status == _OK:
            return
        # 404 is a failure too: ECR has just said that it has the blob.
        problem = f"HTTP {status} from {host}"
        if status == _FORBIDDEN:
            problem += ": does the policy of a VPC endpoint for S3 allow s3:GetObject on ECR's layer bucket?"
            raise SourceUnavailableError(Cause.ACCESS_DENIED, SOURCE, problem)
        if status == _TOO_MANY:
            raise SourceUnavailableError(Cause.THROTTLED, SOURCE, problem)
        if status >= _SERVER_ERROR:
            raise SourceUnavailableError(Cause.SERVER_ERROR, SOURCE, problem)
        raise unexpected(SOURCE, f"{problem}, expected {_OK}")

    def _session(self, target: Target) -> URLLib3Session:
        """Return the connections to a host, through the SDK's proxy for it, if any."""
        settings, origin = self._settings, f"{target.scheme}://{target.authority}"
        with self._lock:
            if origin not in self._sessions:
                if len(self._sessions) >= MAX_HOSTS:
                    self._sessions.pop(next(iter(self._sessions))).close()
                self._sessions[origin] = URLLib3Session(
                    verify=self._verify,  # type: ignore[arg-type]  # a file's name, too
                    proxies=get_environ_proxies(origin),
                    timeout=(settings.connect_timeout_seconds, settings.read_timeout_seconds),  # type: ignore[arg-type]
                    max_pool_connections=settings.connections,
                )
            return self._sessions[origin]


def _checked(url: str, endpoint: str) -> Target:
    """Return the parts of a URL that may be fetched: HTTPS, or on the endpoint that replaces ECR's own."""
    try:
        target, own = (parse_url(each, schemes=frozenset(DEFAULT_PORTS)) for each in (url, endpoint))
    except EgressError as exc:
        # The error shows the URL, which is a credential.
        raise unexpected(SOURCE, f"the download address cannot be used: {exc.problem}") from None
    if target.origin == own.origin:
        return target
    if target.scheme != "https" or target.port != DEFAULT_PORTS["https"] or is_address(target.host):
        raise unexpected(SOURCE, f"refused to download from {target.scheme}, host {target.host}, port {target.port}")
    return target


def _body(response: AWSResponse, seconds_left: Callable[[], float]) -> bytes:
    """Read the body in pieces, with limits on size and time."""
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:MAX_DIGITS]) > MAX_ENVELOPE_BYTES:
        raise _too_large()
    body = bytearray()
    while piece := response.raw.read1(CHUNK_BYTES, decode_content=False):
        body += piece
        if len(body) > MAX_ENVELOPE_BYTES:
            raise _too_large()
        if seconds_left() <= 0:
            raise SourceUnavailableError(Cause.DEADLINE, SOURCE, f"{len(body)} bytes arrived in time")
    if announced and announced != str(len(body)):
        problem = f"the connection ended after {len(body)} of {announced[:MAX_DIGITS]} bytes"
        raise SourceUnavailableError(Cause.UNREACHABLE, SOURCE, problem)
    return bytes(body)


def _too_large() -> UnusableArtifactError:
    """Return the error of a blob that is larger than its manifest may say; it is not read to learn its digest."""
    return UnusableArtifactError(SkipReason.TOO_LARGE, f"the blob has more than {MAX_ENVELOPE_BYTES} bytes")


def _checked_blob(content: bytes, blob: Descriptor) -> bytes:
    if digest_of(content) != blob.digest:
        raise unexpected(SOURCE, f"{len(content)} bytes that are not those of {blob.digest}")
    if len(content) != blob.size:
        raise UnusableArtifactError(SkipReason.BAD_CONTENT, f"the blob has {len(content)} bytes, not {blob.size}")
    return content
