"""Where a registry may lead: realms and redirects are words of whoever answers, and decide nothing."""

import pytest

from tidegate.egress.errors import EgressError
from tidegate.egress.hosts import Reach
from tidegate.errors import ConfigurationError
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.image_id import ImageId
from tidegate.images.repository import OciRegistry, OciRepository
from tidegate.registry.access import RegistryAccess, RegistryHosts
from tidegate.registry.registries import OciRegistries

ELSEWHERE = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://kubernetes.default.svc/token",
    "https://kubernetes.default.svc.cluster.local/token",
    "http://ghcr.io/token",
    "https://ghcr.io:8443/token",
    "https://ghcr.io@evil.test/token",
    "https://ghcr.io.evil.test/token",
    "https://auth.docker.io/token",
    "https://user@ghcr.io/token",
    "//ghcr.io/token",
    "token",
    "",
]


def place(host: str = "ghcr.io", **more) -> RegistryHosts:
    return RegistryHosts(RegistryAccess(host=host, **more))


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_token_is_asked_for_anywhere_else(url):
    with pytest.raises(EgressError):
        place().realm(url)


@pytest.mark.parametrize(
    ("registry", "url", "reach"),
    [
        (place(), "https://ghcr.io/token", Reach.PUBLIC),
        (place("docker.io"), "https://auth.docker.io/token", Reach.PUBLIC),
        (place("registry.gitlab.com"), "https://gitlab.com/jwt/auth", Reach.PUBLIC),
        (place("r.test:5000", private_addresses=True), "https://r.test:5000/token", Reach.PRIVATE),
        (place("docker.io", private_addresses=True), "https://auth.docker.io/token", Reach.PUBLIC),
        (place("r.test", token_hosts=("auth.r.test",)), "https://auth.r.test/token", Reach.PUBLIC),
        (
            place("r.test", token_hosts=("auth.r.test:8443",), private_addresses=True),
            "https://auth.r.test:8443/t?account=x",
            Reach.PRIVATE,
        ),
    ],
)
def test_where_tokens_are_asked_for(registry, url, reach):
    assert registry.realm(url)[1] is reach


def test_docker_hub_is_asked_where_it_is():
    assert place("docker.io").endpoint("library/nginx/manifests/latest").authority == "registry-1.docker.io"
    assert place("r.test:5000").endpoint("a/manifests/b").path == "/v2/a/manifests/b"


@pytest.mark.parametrize(
    ("registry", "url", "reach"),
    [
        (place(), "https://pkg-containers.githubusercontent.com/blob?sig=1", Reach.PUBLIC),
        (place(), "https://ghcr.io/elsewhere", Reach.PUBLIC),
        (place(private_addresses=True), "https://cdn.test/blob", Reach.PUBLIC),
        (place(private_addresses=True, blob_hosts=("s3.test:9000",)), "https://s3.test:9000/blob", Reach.PRIVATE),
        (place(blob_hosts=("*.cdn.test",)), "https://a.cdn.test/blob", Reach.PUBLIC),
        (place(blob_hosts=("*.cdn.test",)), "https://ghcr.io/blob", Reach.PUBLIC),
        (place(blob_hosts=("*.cdn.test",)), "https://other.test/blob", None),
        (place(), "https://cdn.test:8443/blob", None),
        (place(), "https://ghcr.io:8443/blob", None),
        (place(), "http://cdn.test/blob", None),
        (place(), "https://user@cdn.test/blob", None),
        (place(), "file:///etc/passwd", None),
    ],
)
def test_where_content_is_fetched_from(registry, url, reach):
    if reach is None:
        with pytest.raises(EgressError):
            registry.redirect(url)
    else:
        assert registry.redirect(url)[1] is reach


@pytest.mark.parametrize("access", [{"host": ""}, {"host": "a b"}, {"host": "127.1"}, {"host": "user@r.test"}])
def test_a_registry_without_a_host_ends_the_start(access):
    with pytest.raises(ConfigurationError, match="registries"):
        RegistryHosts(RegistryAccess(**access))


def test_an_authority_that_cannot_be_read_ends_the_start(tmp_path):
    for content in (None, "", "no certificate"):
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigurationError, match="caFile"):
            OciRegistries([RegistryAccess(host="r.test", ca_file=str(file))])


def test_a_host_that_is_none_is_not_asked():
    """References may have what no URL has."""
    repository = OciRepository(OciRegistry("127.1"), "a/b")
    with pytest.raises(SourceUnavailableError, match="is not the host of a registry"):
        OciRegistries().describe(repository, ImageId.of_tag("v1"), seconds=1.0)


def test_hosts_that_are_none_end_the_start():
    with pytest.raises(ConfigurationError, match="tokenHosts"):
        place(token_hosts=("https://auth.test",))
    with pytest.raises(ConfigurationError, match="blobHosts"):
        place(blob_hosts=("*.com",))
