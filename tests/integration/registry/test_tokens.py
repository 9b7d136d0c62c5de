"""Tokens and pull secrets: to the registry and its own token service, for pulling from one repository, and nowhere else."""

import base64
import threading
from time import monotonic
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.registry.conftest import place, repository
from tests.simulator.http_faults import HttpFault
from tests.simulator.manifests import OCI_MANIFEST
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.image_id import ImageId
from tidegate.registry.tokens import LONGEST_SECONDS, MARGIN_SECONDS, MAX_ANSWER_BYTES, MAX_TOKENS

V1 = ImageId.of_tag("v1")


def describe(edge, registry, name="team/app", seconds=20.0):
    return edge.registries.describe(repository(registry, name), V1, seconds=seconds)


def failure(edge, registry, **more) -> SourceUnavailableError:
    with pytest.raises(SourceUnavailableError) as caught:
        describe(edge, registry, **more)
    return caught.value


def given(registry, about="") -> list[str | None]:
    return [headers.get("Authorization") for _, path, headers in registry.requests if about in path]


@pytest.fixture
def registry(serve):
    registry = serve(auth="token")
    registry.push_image("team/app", "v1")
    return registry


def test_everybody_gets_a_token_for_pulling_from_one_repository(registry, connect):
    assert describe(connect(registry), registry).media_type == OCI_MANIFEST
    asked = urlsplit(next(path for _, path, _ in registry.requests if path.startswith("/token")))
    assert parse_qs(asked.query) == {"service": [registry.host], "scope": ["repository:team/app:pull"]}
    assert given(registry, "/token") == [None]


def test_a_scope_that_the_registry_names_is_not_asked_for(registry, connect):
    realm = f'Bearer realm="{registry.realm}",service="s",scope="repository:other/secret:pull,push registry:catalog:*"'
    registry.inject(about="/manifests/", times=1, status=401, headers={"WWW-Authenticate": realm})
    describe(connect(registry), registry)
    asked = [path for _, path, _ in registry.requests if path.startswith("/token")]
    assert [parse_qs(urlsplit(each).query)["scope"] for each in asked] == [["repository:team/app:pull"]]


def test_a_token_is_kept(registry, connect):
    edge = connect(registry)
    for _ in range(3):
        describe(edge, registry)
    assert len(registry.paths("/token")) == 1
    assert len(registry.paths("/manifests/")) == 4


@pytest.mark.parametrize(("seconds", "kept"), [(9, False), (11, True), (-5, True), ("soon", True), (10**9, True)])
def test_a_token_is_kept_for_as_long_as_it_says_but_not_for_ever(registry, connect, monkeypatch, seconds, kept):
    registry.token_members = {"expires_in": seconds}
    edge = connect(registry)
    describe(edge, registry)
    describe(edge, registry)
    assert len(registry.paths("/token")) == (1 if kept else 2)
    monkeypatch.setattr(
        "tidegate.registry.tokens.monotonic", lambda: monotonic() + LONGEST_SECONDS - MARGIN_SECONDS + 1
    )
    assert edge.registries._tokens.kept(repository(registry)) is None


def test_a_token_that_is_refused_is_replaced_once(registry, connect):
    edge = connect(registry)
    describe(edge, registry)
    registry.expire_tokens()
    describe(edge, registry)
    assert len(registry.paths("/token")) == 2
    registry.inject(about="/manifests/", status=401, headers={"WWW-Authenticate": f'Bearer realm="{registry.realm}"'})
    assert failure(edge, registry).cause is Cause.ACCESS_DENIED
    assert len(registry.paths("/token")) == 3


def test_each_repository_has_its_own_token(registry, connect):
    registry.push_image("team/other", "v1")
    edge = connect(registry)
    describe(edge, registry)
    describe(edge, registry, name="team/other")
    tokens = [each for each in given(registry, "/manifests/") if each]
    assert len(set(tokens)) == 2


def test_a_registry_that_was_heard_need_not_ask_again(registry, connect):
    edge = connect(registry)
    for number in range(3):
        registry.push_image(f"team/app{number}", "v1")
        describe(edge, registry, name=f"team/app{number}")
    assert given(registry, "/manifests/").count(None) == 1
    assert len(registry.paths("/token")) == 3


def test_what_a_registry_asked_for_is_forgotten_when_it_leads_nowhere(registry, connect):
    edge = connect(registry)
    describe(edge, registry)
    registry.push_image("team/other", "v1")
    fault = registry.inject(about="/token?", status=404)
    registry.realm = f"https://{place(registry)}/token?new=1"
    assert failure(edge, registry, name="team/other").cause is Cause.UNEXPECTED_ANSWER
    fault.about = "/token?service"
    assert describe(edge, registry, name="team/other").media_type == OCI_MANIFEST


def test_so_many_registries_are_remembered(registry, connect, monkeypatch):
    monkeypatch.setattr("tidegate.registry.tokens.MAX_LEARNED", 0)
    edge = connect(registry)
    describe(edge, registry)
    assert edge.registries._tokens._learned == {}


def test_those_who_want_the_same_token_wait_for_one(registry, connect):
    edge = connect(registry)
    threads = [threading.Thread(target=describe, args=(edge, registry)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(registry.paths("/token")) == 1


def test_so_many_tokens_are_kept(registry, connect, monkeypatch):
    monkeypatch.setattr("tidegate.registry.tokens.MAX_TOKENS", 2)
    assert MAX_TOKENS > 2
    edge = connect(registry)
    for number in range(4):
        registry.push_image(f"team/app{number}", "v1")
        describe(edge, registry, name=f"team/app{number}")
    assert len(edge.registries._tokens._tokens) == 2


class TestPullSecrets:
    @pytest.fixture
    def registry(self, serve):
        registry = serve(auth="token", users={"ann": "secret"})
        registry.push_image("team/app", "v1")
        return registry

    def test_of_the_registry_go_to_its_token_service(self, registry, connect, pull_secret):
        edge = connect(registry, pull_secret_file=pull_secret(place(registry)))
        assert describe(edge, registry).media_type == OCI_MANIFEST
        basic = f"Basic {base64.b64encode(b'ann:secret').decode()}"
        assert given(registry, "/token") == [basic]
        assert basic not in given(registry, "/manifests/"), "a token is enough for the rest"

    def test_of_another_host_go_nowhere(self, registry, connect, pull_secret):
        edge = connect(registry, pull_secret_file=pull_secret("other.test", "registry.test", "*.test"))
        error = failure(edge, registry)
        assert (error.cause, "has no entry for registry.test" in error.detail) == (Cause.CREDENTIALS, True)
        assert registry.paths("/token") == []
        assert "secret" not in str(error)

    def test_are_read_anew(self, registry, connect, pull_secret):
        edge = connect(registry, pull_secret_file=pull_secret(place(registry), password="old"))
        error = failure(edge, registry)
        assert error.cause is Cause.ACCESS_DENIED
        assert "old" not in str(error)
        pull_secret(place(registry))
        assert describe(edge, registry).media_type == OCI_MANIFEST

    def test_are_sent_for_basic_authentication(self, serve, connect, pull_secret):
        registry = serve(auth="basic", users={"ann": "secret"})
        registry.push_image("team/app", "v1")
        file = pull_secret(place(registry))
        edge = connect(registry, pull_secret_file=file)
        for _ in range(2):
            assert describe(edge, registry).media_type == OCI_MANIFEST
        assert given(registry).count(None) == 1
        error = failure(connect(registry), registry)
        assert (error.cause, "requires a pull secret" in error.detail) == (Cause.ACCESS_DENIED, True)
        pull_secret(place(registry), password="old")
        assert failure(edge, registry).cause is Cause.ACCESS_DENIED


class TestRealms:
    """Where a registry sends for a token is its word alone: of a stranger who answers in its place, too."""

    @pytest.fixture
    def secret(self, registry, pull_secret):
        registry.users = {"ann": "secret"}
        return pull_secret(place(registry), "auth.test", "169.254.169.254")

    @pytest.mark.parametrize(
        "realm",
        [
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
            "https://169.254.169.254/latest/api/token",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest/",
            "https://kubernetes.default.svc/api/v1/secrets",
            "https://kubernetes.default.svc.cluster.local/api/v1/secrets",
            "https://localhost:9443/validate",
            "https://127.0.0.1:9443/validate",
            "https://10.0.0.1/",
            "http://registry.test/token",
            "https://auth.test/token",
            "https://registry.test.evil.test/token",
            "https://registry.test@evil.test/token",
            "file:///var/run/secrets/kubernetes.io/serviceaccount/token",
            "/token",
        ],
    )
    def test_lead_nowhere_else(self, registry, connect, secret, realm):
        registry.realm = realm
        edge = connect(registry, pull_secret_file=secret)
        error = failure(edge, registry)
        assert error.cause is Cause.NOT_ASKED
        assert set(edge.names.asked) == {"registry.test"}
        assert registry.paths("/token") == []

    def test_lead_to_a_host_that_the_operator_names(self, registry, connect, secret, peer):
        registry.realm = peer.url("/elsewhere", "auth.test")
        token = HttpFault(status=200, body=b'{"access_token": "T"}')
        peer.answers["/elsewhere"] = token
        edge = connect(registry, pull_secret_file=secret, token_hosts=(f"auth.test:{peer.port}",))
        registry._tokens["T"] = "team/app"
        assert describe(edge, registry).media_type == OCI_MANIFEST
        assert peer.asked[0].headers["Authorization"].startswith("Basic ")
        assert peer.asked[0].path.endswith("scope=repository%3Ateam%2Fapp%3Apull")

    def test_lead_to_no_private_address_by_the_name_of_a_known_host(self, registry, connect, monkeypatch):
        registry.realm = "https://auth.test/token"
        monkeypatch.setattr("tidegate.registry.access._TOKEN_HOSTS", {place(registry): ("auth.test",)})
        error = failure(connect(registry), registry)
        assert "127.0.0.1 is not a public address" in error.detail

    def test_lead_to_no_other_port(self, registry, connect, secret, peer):
        registry.realm = peer.url("/token", "registry.test")
        assert failure(connect(registry, pull_secret_file=secret), registry).cause is Cause.NOT_ASKED
        assert peer.asked == []

    def test_are_not_redirected(self, registry, connect, secret, peer):
        for status in (301, 302, 307, 308):
            registry.inject(about="/token", status=status, headers={"Location": peer.url("/token", "registry.test")})
            assert failure(connect(registry, pull_secret_file=secret), registry).cause is Cause.UNEXPECTED_ANSWER
        registry.inject(about="/token", status=302, headers={"Location": "http://169.254.169.254/"})
        assert failure(connect(registry, pull_secret_file=secret), registry).cause is Cause.UNEXPECTED_ANSWER
        assert peer.asked == []


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"status": 500}, Cause.SERVER_ERROR),
        ({"status": 429}, Cause.THROTTLED),
        ({"status": 403}, Cause.ACCESS_DENIED),
        ({"status": 200, "body": b""}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b"[]"}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b"{}"}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b'{"token": 5}'}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b'{"token": "a b"}'}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b'{"token": "a\\r\\nX: y"}'}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b'{"token": "' + b"a" * 20_000 + b'"}'}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b" " * (MAX_ANSWER_BYTES + 1)}, Cause.UNEXPECTED_ANSWER),
        ({"status": 200, "body": b"[" * 60_000}, Cause.UNEXPECTED_ANSWER),
        ({"cut": True}, Cause.UNREACHABLE),
    ],
)
def test_what_is_no_token(registry, connect, fault, cause):
    registry.inject(about="/token", **fault)
    assert failure(connect(registry), registry).cause is cause


def test_a_token_service_has_its_time(registry, connect):
    registry.inject(about="/token", raw=[b"HTTP/1.1 200 OK\r\n\r\n", b" "], endless=True, pause_seconds=0.02)
    assert failure(connect(registry), registry, seconds=0.5).cause is Cause.DEADLINE


@pytest.mark.parametrize("header", ["", 'Negotiate realm="x"', "Bearer service=x"])
def test_a_challenge_that_nobody_knows(registry, connect, header):
    registry.inject(about="/manifests/", status=401, headers={"WWW-Authenticate": header} if header else {})
    assert failure(connect(registry), registry).cause is Cause.UNEXPECTED_ANSWER
