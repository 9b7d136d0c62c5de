"""Trusted roots from a TUF repository: fetched and verified, kept on disk and verified anew, refused when altered."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]  # as its documentation has it

from tests.integration.trust.conftest import FIRST, SECOND
from tests.simulator.tuf_repository import TARGET, TufRepository
from tidegate.egress.hosts import HostList
from tidegate.errors import UndeterminedError
from tidegate.policy.trust_store_object import TufRepository as Named
from tidegate.trust.tuf import repository as module
from tidegate.trust.tuf.repository import PUBLIC_URL, TufRoots, alone_in, known


@pytest.fixture
def roots(repository: TufRepository, tmp_path: Path) -> TufRoots:
    return TufRoots(tmp_path / "cache", hosts=HostList((), [repository.host]))


def test_what_the_repository_says_now(repository, roots, named):
    before = datetime.now(UTC)
    found = roots.fetch(named)
    assert found.content == FIRST
    assert before <= found.refreshed_at <= datetime.now(UTC)
    assert found.good_until == min(repository.expires.values())
    repository.publish(SECOND)
    assert roots.fetch(named).content == SECOND


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_it_holds_until_the_first_of_the_metadata_expires(repository, roots, named, role):
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    repository.expires[role] = soon
    repository.renew_root()
    repository.publish(FIRST)
    assert roots.fetch(named).good_until == soon


def test_what_was_fetched_is_not_fetched_again(repository, roots, named):
    roots.fetch(named)
    asked = len(repository.requests)
    roots.fetch(named)
    assert repository.requests[asked:] == ["2.root.json", "timestamp.json"]


def test_a_root_is_reached_from_the_one_that_was_named(repository, roots, named):
    repository.rotate()
    repository.rotate()
    repository.publish(SECOND)
    assert roots.fetch(named).content == SECOND


def test_an_address_with_a_slash_at_its_end_is_the_same(repository, roots):
    found = roots.fetch(Named(url=f"{repository.url}/", root=repository.root_json.decode()))
    assert found.content == FIRST
    assert not any(path.startswith("/") for path in repository.requests)


def usurp(repository: TufRepository) -> None:
    repository.usurp()


def alter_target(repository: TufRepository) -> None:
    (path,) = (path for path in repository.files if path.startswith("targets/"))
    repository.files[path] = FIRST.replace(b"first", b"other")


def alter_timestamp(repository: TufRepository) -> None:
    repository.files["timestamp.json"] = repository.files["timestamp.json"].replace(b'"version":1', b'"version":9')


def let_expire(repository: TufRepository) -> None:
    repository.expires["timestamp"] = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    repository.publish(FIRST)


def swap_for_another(repository: TufRepository) -> None:
    repository.files = TufRepository(SECOND).files


def announce_too_much(repository: TufRepository) -> None:
    repository.publish(b"x" * (module.MAX_FILE_BYTES + 1))


REFUSED = {
    "a root that the one before did not sign": (usurp, "its metadata is invalid"),
    "another target than was signed": (alter_target, "its metadata is invalid"),
    "an altered timestamp": (alter_timestamp, "its metadata is invalid"),
    "metadata that has expired": (let_expire, "its metadata is invalid: timestamp.json is expired"),
    "another repository": (swap_for_another, "its metadata is invalid"),
    "a target that is too large": (announce_too_much, "its trusted_root.json has 1048577 bytes, more than"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refuses(repository, roots, named, case):
    change, words = REFUSED[case]
    change(repository)
    with pytest.raises(UndeterminedError, match=words) as caught:
        roots.fetch(named)
    assert str(caught.value).startswith(f"it could not be fetched from {repository.url}: ")
    assert roots.kept(named) is None


def test_an_older_answer_than_was_seen_is_refused(repository, roots, named):
    old = dict(repository.files)
    repository.publish(SECOND)
    roots.fetch(named)
    repository.files = old
    with pytest.raises(UndeterminedError, match="its metadata is invalid"):
        roots.fetch(named)


def test_a_repository_without_a_trusted_root(tmp_path):
    with TufRepository(FIRST, target="other.json") as repository:
        roots = TufRoots(tmp_path, hosts=HostList((), [repository.host]))
        with pytest.raises(UndeterminedError, match=f"it has no target {TARGET}"):
            roots.fetch(Named(url=repository.url, root=repository.root_json.decode()))


def test_what_is_no_root_is_refused_before_anybody_is_asked(repository, roots):
    with pytest.raises(UndeterminedError, match="its metadata is invalid"):
        roots.fetch(Named(url=repository.url, root='{"signed": {}}'))
    assert repository.requests == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param({"status": 503}, "it answered with HTTP status 503", id="a status"),
        pytest.param(
            {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "HTTP status 302", id="elsewhere"
        ),
        pytest.param({"cut": True}, "could not be reached", id="no answer"),
        pytest.param({"status": 200, "body": b"x" * (2 << 20)}, "more than", id="too much"),
        pytest.param({"status": 200, "body": b"{"}, "its metadata is invalid", id="nonsense"),
    ],
)
def test_what_could_not_be_fetched_is_said(repository, roots, named, fault, words):
    repository.inject(about="timestamp.json", **fault)
    with pytest.raises(UndeterminedError, match=words):
        roots.fetch(named)


def test_a_slow_repository_ends_with_the_time(repository, roots, named, monkeypatch):
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.3)
    repository.inject(about="timestamp.json", hang=True)
    with pytest.raises(UndeterminedError, match="did not answer in time"):
        roots.fetch(named)


def test_less_time_than_usual_is_all_that_there_is(repository, roots, named):
    repository.inject(about="timestamp.json", hang=True)
    with pytest.raises(UndeterminedError, match="did not answer in time"):
        roots.fetch(named, seconds=0.3)


class TestAlone:
    """A folder that several processes have is used by one at a time."""

    def test_another_one_is_waited_for_as_long_as_there_is_time(self, repository, roots, named, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
        roots.fetch(named)
        (home,) = tmp_path.glob("cache/*")
        asked = len(repository.requests)
        with alone_in(home, lambda: 0.0):
            with pytest.raises(UndeterminedError, match="another process is fetching it"):
                roots.fetch(named, seconds=0.0)
            assert roots.kept(named) is None
        assert len(repository.requests) == asked
        assert roots.kept(named) is not None

    def test_it_goes_on_when_the_other_one_has_ended(self, repository, roots, named, tmp_path):
        roots.fetch(named)
        (home,) = tmp_path.glob("cache/*")
        with ThreadPoolExecutor() as pool:
            with alone_in(home, lambda: 0.0):
                fetching = pool.submit(roots.fetch, named)
                assert not fetching.done()
            assert fetching.result().content == FIRST


def test_an_address_in_a_private_network_has_to_be_listed(repository, tmp_path, named):
    with pytest.raises(UndeterminedError, match="is not a public address"):
        TufRoots(tmp_path, hosts=HostList(())).fetch(named)
    assert repository.requests == []


@pytest.mark.parametrize("listed", [(), ("169.254.169.254",)])
def test_instance_metadata_is_never_asked(tmp_path, named, listed):
    with pytest.raises(UndeterminedError, match="never connected to"):
        TufRoots(tmp_path, hosts=HostList((), listed)).fetch(Named(url="http://169.254.169.254", root=named.root))


class TestKept:
    """What is on disk is verified as what comes from the repository is, and nobody is asked."""

    def test_nothing_before_something_was_fetched(self, roots, named):
        assert roots.kept(named) is None

    def test_what_was_fetched_and_when(self, repository, roots, named):
        repository.rotate()
        fetched = roots.fetch(named)
        asked = len(repository.requests)
        assert roots.kept(named) == fetched
        assert len(repository.requests) == asked

    def test_another_root_to_start_from_is_another_repository(self, repository, roots, named):
        roots.fetch(named)
        assert roots.kept(Named(url=named.url, root=named.root + " ")) is None

    @pytest.mark.parametrize("path", ["targets/trusted_root.json", "metadata/timestamp.json", "metadata/targets.json"])
    def test_what_was_altered_on_disk_is_not_believed(self, repository, roots, named, path, tmp_path):
        roots.fetch(named)
        (altered,) = tmp_path.glob(f"cache/*/{path}")
        before = altered.read_bytes()
        altered.write_bytes(before.replace(b"first", b"other").replace(b'"version":1', b'"version":2'))
        assert altered.read_bytes() != before
        assert roots.kept(named) is None

    def test_another_repository_on_disk_is_not_believed(self, repository, roots, named, tmp_path):
        """Whole and sound in itself: only the root that was named tells them apart."""
        roots.fetch(named)
        with TufRepository(SECOND) as other:
            elsewhere = TufRoots(tmp_path / "other", hosts=HostList((), [other.host]))
            elsewhere.fetch(Named(url=other.url, root=other.root_json.decode()))
        (ours,), (theirs,) = tmp_path.glob("cache/*"), tmp_path.glob("other/*")
        shutil.rmtree(ours)
        shutil.copytree(theirs, ours, symlinks=True)
        assert roots.kept(named) is None

    def test_what_has_expired_does_not_hold(self, repository, roots, named):
        repository.expires["timestamp"] = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        repository.publish(FIRST)
        good_until = roots.fetch(named).good_until
        while datetime.now(UTC) < good_until:
            pass
        assert roots.kept(named) is None


def test_a_folder_that_cannot_be_written_is_said(repository, tmp_path, named):
    blocked = tmp_path / "file"
    blocked.write_text("")
    roots = TufRoots(blocked, hosts=HostList((), [repository.host]))
    with pytest.raises(UndeterminedError, match=r"it could not be saved in .*file: Not a directory"):
        roots.fetch(named)


def test_the_public_instance_is_reached_from_the_root_that_sigstore_python_brings():
    url, root = known(Named())
    assert url == PUBLIC_URL
    read = Metadata[Root].from_bytes(root)
    read.verify_delegate("root", read)
    assert read.signed.version >= 12
