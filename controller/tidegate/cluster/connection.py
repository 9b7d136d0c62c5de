"""Address and credentials of the API server, for the kubernetes client and for kopf.

They come from ``KUBECONFIG`` if it is set, else from the Pod's ServiceAccount, else from ``~/.kube/config``.
"""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import kopf
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from tidegate.errors import ConfigurationError

CREDENTIALS_LIVE: Final = timedelta(minutes=10)
"""After this time kopf logs in again. The kubelet rotates a ServiceAccount's token well before it expires."""
RELOGIN_SECONDS: Final = 5.0
"""Shortest time between two logins of kopf."""


def load_configuration() -> Configuration:
    """Return the client configuration; raise ConfigurationError if there is none or it is invalid."""
    configuration = Configuration()
    try:
        if kubeconfig := os.environ.get("KUBECONFIG"):
            load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            # The API server is in the cluster; a proxy in the environment is for AWS.
            configuration.proxy = None
        else:
            load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as exc:
        raise ConfigurationError(f"no access to the API server: {exc}; outside of a cluster, set KUBECONFIG") from exc
    # Given, so that not every call reads the environment for it.
    configuration.proxy = configuration.proxy
    return configuration


class KopfLogin:
    """Gives kopf its credentials.

    They have an expiration, so that kopf reads rotated tokens and survives a temporary 401, as from an API server that
    is starting: kopf never uses the same credentials twice, and exits when it has no others.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._not_before = 0.0

    async def log_in(self, **_: Any) -> kopf.ConnectionInfo:
        """Return the present credentials, at most once in RELOGIN_SECONDS. This is kopf's login handler."""
        wait = self._not_before - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._not_before = time.monotonic() + RELOGIN_SECONDS
        return connection_info(self._configuration, expiration=datetime.now(UTC) + CREDENTIALS_LIVE)


def connection_info(configuration: Configuration, *, expiration: datetime) -> kopf.ConnectionInfo:
    """Convert a configuration of the kubernetes client to kopf's."""
    header = configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
    scheme, _, token = header.rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme.capitalize() or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
        expiration=expiration,
    )
