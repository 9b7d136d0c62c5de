"""The endpoints themselves: the time of STS, and whether a URL answers. Both tell about the network, not about images."""

from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from tidegate.aws.clients import Clients
from tidegate.aws.errors import classify, unexpected
from tidegate.aws.identity import SOURCE
from tidegate.images.repository import EcrRegistry

LAYERS: Final = "s3:GetObject"


def layer_bucket_url(registry: EcrRegistry) -> str:
    """Return the URL of the S3 bucket with the layers of a region. Source: ECR user guide, VPC endpoints."""
    suffix = registry.host.partition(f".{registry.region}.")[2]
    return f"https://prod-{registry.region}-starport-layer-bucket.s3.{registry.region}.{suffix}/"


def server_time(clients: Clients) -> datetime:
    """Return the time of STS, also if it rejects the credentials; raise SourceUnavailableError without an answer."""
    dates: list[str] = []

    def note(http_response: Any, **_: Any) -> None:
        dates.append(http_response.headers.get("date", ""))

    try:
        sts: Any = clients.sts()
        sts.meta.events.register("after-call", note)
        try:
            with suppress(ClientError):
                sts.get_caller_identity()
        finally:
            sts.meta.events.unregister("after-call", note)
    except Exception as exc:
        raise classify(exc, SOURCE) from exc
    try:
        return parsedate_to_datetime(dates[-1])
    except (IndexError, ValueError) as exc:
        raise unexpected(SOURCE, "the answer has no valid Date header") from exc


def contact(clients: Clients, url: str) -> None:
    """Return if a URL answers with any status, through the SDK's proxy and CAs; else raise SourceUnavailableError."""
    settings = clients.settings
    session = URLLib3Session(
        verify=clients.ca_bundle or True,  # type: ignore[arg-type]  # a file's name, too
        proxies=get_environ_proxies(url),
        timeout=(settings.connect_timeout_seconds, settings.read_timeout_seconds),  # type: ignore[arg-type]
    )
    try:
        session.send(AWSRequest(method="GET", url=url, stream_output=True).prepare()).raw.close()
    except Exception as exc:
        raise classify(exc, LAYERS) from exc
    finally:
        session.close()
