"""Pull secrets: which entry is for which repository, and what is none."""

import base64
import json

import pytest

from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.registry.pull_secret import MAX_FILE_BYTES, basic_credentials


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def secret(tmp_path):
    def write(content) -> str:
        file = tmp_path / "config.json"
        file.write_text(content if isinstance(content, str) else json.dumps({"auths": content}))
        return str(file)

    return write


def entry(name: str) -> dict[str, str]:
    return {"auth": b64(f"{name}:secret")}


def header(name: str) -> str:
    return f"Basic {b64(f'{name}:secret')}"


@pytest.mark.parametrize(
    ("entries", "host", "repository", "chosen"),
    [
        (["ghcr.io"], "ghcr.io", "acme/app", "ghcr.io"),
        (["https://ghcr.io"], "ghcr.io", "acme/app", "https://ghcr.io"),
        (["https://ghcr.io/v2/"], "ghcr.io", "acme/app", "https://ghcr.io/v2/"),
        (["GHCR.io:443"], "ghcr.io", "acme/app", "GHCR.io:443"),
        (["https://index.docker.io/v1/"], "docker.io", "library/nginx", "https://index.docker.io/v1/"),
        (["docker.io"], "docker.io", "library/nginx", "docker.io"),
        (["https://ghcr.io", "ghcr.io/acme"], "ghcr.io", "acme/app", "ghcr.io/acme"),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io", "acmeother/app", "ghcr.io"),
        (["ghcr.io/acme/app"], "ghcr.io", "acme/app", "ghcr.io/acme/app"),
        (["registry.test:5000"], "registry.test:5000", "a", "registry.test:5000"),
        (["registry.test:5000"], "registry.test", "a", None),
        (["registry.test"], "registry.test:5000", "a", None),
        (["ghcr.io.evil.test", "evilghcr.io", "*.io", "quay.io"], "ghcr.io", "acme/app", None),
        (["ghcr.io/other"], "ghcr.io", "acme/app", None),
    ],
)
def test_the_entry_of_a_repository(secret, entries, host, repository, chosen):
    file = secret({each: entry(each.replace(":", "_")) for each in entries})
    if chosen is None:
        with pytest.raises(SourceUnavailableError, match="has no entry for") as caught:
            basic_credentials(file, host, repository, "oci:GetToken")
        assert caught.value.cause is Cause.CREDENTIALS
    else:
        assert basic_credentials(file, host, repository, "oci:GetToken") == header(chosen.replace(":", "_"))


def test_name_and_password_count_before_auth(secret):
    file = secret({"ghcr.io": {"username": "ann", "password": "p:w", "auth": b64("bob:other")}})
    assert basic_credentials(file, "ghcr.io", "a/b", "x") == f"Basic {b64('ann:p:w')}"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"auths": []}',
        "{" * 100_000,
        {"ghcr.io": None},
        {"ghcr.io": {}},
        {"ghcr.io": {"auth": "not base64!"}},
        {"ghcr.io": {"auth": b64("no colon")}},
        {"ghcr.io": {"auth": 5}},
        {"ghcr.io": {"username": "ann"}},
        {"ghcr.io": {"identitytoken": "refresh"}},
        '{"auths": {"ghcr.io": {"auth": "YTpi"}}}' + " " * MAX_FILE_BYTES,
    ],
)
def test_what_is_no_pull_secret_is_not_as_if_there_were_none(secret, content):
    with pytest.raises(SourceUnavailableError) as caught:
        basic_credentials(secret(content), "ghcr.io", "acme/app", "oci:GetToken")
    assert caught.value.cause is Cause.CREDENTIALS


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        basic_credentials(str(tmp_path / "none"), "ghcr.io", "acme/app", "oci:GetToken")
