"""Where the command line keeps what it fetched: in the user's cache, unless the configuration says otherwise."""

from pathlib import Path

import pytest

from tidegate.cli.options import settings_of, user_cache_folder
from tidegate.settings import TrustStoreSettings

BELOW = "tidegate/trust-stores"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_it_is_in_the_users_home(home):
    assert user_cache_folder() == home / ".cache" / BELOW


def test_the_environment_names_another_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert user_cache_folder() == tmp_path / "x" / BELOW


def test_a_cache_by_a_relative_path_is_ignored(monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", "x")
    assert user_cache_folder() == home / ".cache" / BELOW


def test_a_user_without_a_home_has_the_controllers_folder(monkeypatch):
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    assert str(user_cache_folder()) == TrustStoreSettings().cache_folder


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("", f"HOME/.cache/{BELOW}"),
        ("trustStores: {privateHosts: [tuf.example.internal]}", f"HOME/.cache/{BELOW}"),
        ("trustStores: {cacheFolder: /var/cache/tidegate}", "/var/cache/tidegate"),
    ],
    ids=["an empty file", "a file without a folder", "a file with one"],
)
def test_the_configuration_file_decides_where_it_names_a_folder(home, written, kept):
    file = home / "tidegate.yaml"
    file.write_text(written)
    found = settings_of(file).trust_stores
    assert found.cache_folder == kept.replace("HOME", str(home))
    assert found.private_hosts == (("tuf.example.internal",) if "privateHosts" in written else ())


def test_without_a_configuration_file_it_is_the_users_too(home):
    assert settings_of(None).trust_stores.cache_folder == str(home / ".cache" / BELOW)
