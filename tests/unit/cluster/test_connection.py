"""The way to the API server, the same for the kubernetes client and for kopf, and logins that never run out."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import Configuration

from tidegate.cluster import connection
from tidegate.cluster.connection import KopfLogin, connection_info, load_configuration
from tidegate.cluster.kopf_settings import FIRST_BACKOFFS, LAST_BACKOFF, UnboundedBackoffs, common_settings
from tidegate.errors import ConfigurationError

EXPIRATION = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


def write_kubeconfig(folder, *, server="https://127.0.0.1:6443", user=None):
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "secret"} if user is None else user}],
    }
    path.write_text(json.dumps(config))
    return str(path)


def test_a_kubeconfig_with_a_token_leads_both_clients_to_one_place(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    configuration = load_configuration()
    info = connection_info(configuration, expiration=EXPIRATION)
    assert info.server == configuration.host == "https://127.0.0.1:6443"
    assert info.as_http_headers() == {"Authorization": "Bearer secret"}
    assert not info.insecure
    assert info.expiration == EXPIRATION


def test_a_call_does_not_read_the_proxy_from_the_environment_again(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    configuration = load_configuration()
    monkeypatch.setattr("kubernetes.client.configuration.getproxies", lambda: pytest.fail("it is read again"))
    configuration.auth_settings()
    configuration.host = configuration.host
    assert configuration.proxy == "http://127.0.0.1:3128"


def test_a_kubeconfig_that_is_named_comes_before_the_pods_own_account(tmp_path, monkeypatch):
    """Whoever names a file means it, also inside of a cluster."""
    monkeypatch.setenv("KUBECONFIG", write_kubeconfig(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert load_configuration().host == "https://127.0.0.1:6443"


def test_the_pods_account_is_asked_for_by_address_and_without_a_proxy(tmp_path, monkeypatch):
    """No DNS is needed, and a proxy of the environment is there for AWS. A rotated token is read."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    authority.write_text("authority")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    configuration = load_configuration()
    info = connection_info(configuration, expiration=EXPIRATION)
    assert info.server == "https://10.96.0.1:443"
    assert info.ca_path == str(authority)
    assert info.as_http_headers() == {"Authorization": "Bearer first"}
    assert configuration.proxy is None
    assert info.proxy_url is None


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"KUBECONFIG": "/nowhere/kubeconfig"}, id="a file that is not there"),
        pytest.param({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, id="a cluster without a token"),
        pytest.param({"HOME": "/nowhere"}, id="nothing at all"),
    ],
)
def test_no_way_is_a_wrong_configuration(environment, monkeypatch):
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere/config")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="no access to the API server"):
        load_configuration()


def configured() -> Configuration:
    configuration = Configuration(host="https://127.0.0.1:6443")
    configuration.api_key["BearerToken"] = "bearer secret"
    return configuration


async def test_the_same_token_is_new_credentials_each_time(monkeypatch):
    """kopf refuses credentials that failed before, and an API server that starts refuses good ones for a moment."""
    monkeypatch.setattr(connection, "RELOGIN_SECONDS", 0.01)
    login = KopfLogin(configured())
    first, second = await login.log_in(), await login.log_in()
    assert first.token == second.token == "secret"
    assert first != second
    assert first.expiration is not None
    assert first.expiration - datetime.now(UTC) > timedelta(minutes=9)


async def test_logins_do_not_follow_each_other_without_a_pause(monkeypatch):
    """A token that is refused for good must not become a flood of requests."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    login = KopfLogin(configured())
    await login.log_in()
    assert pauses == []
    await login.log_in()
    (pause,) = pauses
    assert 0 < pause <= connection.RELOGIN_SECONDS


def test_kopf_never_stops_trying_and_keeps_nothing_on_objects():
    """Its own default ends the process after 54 seconds without an API server."""
    settings = common_settings()
    backoffs = settings.networking.error_backoffs
    assert isinstance(backoffs, UnboundedBackoffs)
    assert not hasattr(backoffs, "__len__")
    pauses = iter(backoffs)
    assert [next(pauses) for _ in range(100)][len(FIRST_BACKOFFS) :] == [LAST_BACKOFF] * (100 - len(FIRST_BACKOFFS))
    assert next(iter(backoffs)) == FIRST_BACKOFFS[0], "each request begins anew"
    assert settings.scanning.disabled
    assert not settings.posting.enabled
    assert settings.admission.managed is None
