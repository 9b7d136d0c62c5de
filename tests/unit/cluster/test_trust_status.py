"""A trust store's status: what it holds, or every problem; replicas that fetch a root agree on what they say."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.policy.trust_store_examples import TUF
from tests.unit.trust.trust_examples import inline, parsed, pem, root, store, trusted_root
from tidegate.cluster import trust_status as module
from tidegate.cluster.trust_status import status_patch
from tidegate.policy.trust_store_object import read_trust_store
from tidegate.policy.trust_stores import BrokenTrustStore
from tidegate.trust.store_content import CompiledStore, Content, broken_store, compile_store, inline_content

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
ROOT = {"type": "sigstore", "trustedRoot": trusted_root()}
FETCHED = {"type": "sigstore", "tuf": TUF}


def compiled(spec: dict[str, Any]) -> CompiledStore:
    obj = parsed(spec)
    content = inline_content(obj.source)
    assert content is not None
    return compile_store(obj, content)


def fetched(at: datetime | None, text: str | None = None) -> CompiledStore:
    """Return what a replica made of a root that it fetched at a time; None for one that could not."""
    obj = parsed(FETCHED)
    if at is None:
        return broken_store(obj, ["it could not be fetched"])
    return compile_store(obj, Content(files=(("root", (text or trusted_root()).encode()),), refreshed_at=at))


def told(spec: dict[str, Any], made: CompiledStore, *, before: Any = None, now: datetime = NOW) -> dict[str, Any]:
    """Return the status that is stored after the patch."""
    obj = store(spec) | ({} if before is None else {"status": before})
    patch = status_patch(obj, made, now)
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
    return {name: value for name, value in ((before or {}) | patch["status"]).items() if value is not None}


def condition(status: dict[str, Any]) -> tuple[str, str, str]:
    (ready,) = status["conditions"]
    return ready["status"], ready["reason"], ready["message"]


def test_certificates_are_described():
    status = told(inline(pem(), pem("Other")), compiled(inline(pem(), pem("Other"))))
    assert status["certificateCount"] == 2
    assert status["certificates"][0] == {
        "subject": "CN=Acme CA,O=Example,ST=WA,C=US",
        "fingerprint": hashlib.sha256(root().der).hexdigest(),
        "notAfter": root().certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert status["observedGeneration"] == 2
    assert condition(status) == (
        "True",
        "Read",
        "the trust store is in use",
    )
    assert "trustedRoot" not in status
    assert "refreshedTime" not in status


def test_the_first_certificates_are_described_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_LISTED", 1)
    status = told(inline(pem(), pem("Other")), compiled(inline(pem(), pem("Other"))))
    assert (status["certificateCount"], len(status["certificates"])) == (2, 1)


def test_a_trusted_root_is_described():
    status = told(ROOT, compiled(ROOT))
    assert status["trustedRoot"] == {
        "sha256": hashlib.sha256(trusted_root().encode()).hexdigest(),
        "certificateAuthorities": 1,
        "certificateLogs": 1,
        "transparencyLogs": 1,
        "timestampAuthorities": 1,
    }
    assert "certificateCount" not in status


def test_what_of_a_trusted_root_is_not_used_is_told():
    changed = json.loads(trusted_root())
    changed["tlogs"].append({"publicKey": {"rawBytes": "AA==", "keyDetails": "PKIX_ML_DSA_65"}})
    spec = ROOT | {"trustedRoot": json.dumps(changed)}
    _, reason, message = condition(told(spec, compiled(spec)))
    assert reason == "Read"
    assert 'ignored: tlogs[1].publicKey.keyDetails: "PKIX_ML_DSA_65"' in message


def test_a_broken_store_is_told_every_problem_and_describes_nothing():
    before = told(inline(pem()), compiled(inline(pem())))
    status = told(inline(pem()), broken_store(parsed(inline(pem())), ["one", "two"]), before=before)
    assert condition(status) == ("False", "Broken", "one; two")
    assert "certificates" not in status
    assert "certificateCount" not in status


def test_a_spec_that_cannot_be_read_is_told():
    obj = store({"type": "ca"})
    broken = read_trust_store(obj)
    assert isinstance(broken, BrokenTrustStore)
    _, reason, message = condition(told({"type": "ca"}, CompiledStore(store=broken)))
    assert reason == "Broken"
    assert "spec: got no source" in message


def test_a_status_that_is_true_is_not_written_again():
    for spec in (inline(pem()), ROOT):
        status = told(spec, compiled(spec))
        assert status_patch(store(spec) | {"status": status}, compiled(spec), LATER) is None


class TestFetched:
    """``refreshedTime`` is the latest of all replicas, to the hour; nobody writes against another."""

    def test_a_fetched_root_says_when(self):
        status = told(FETCHED, fetched(NOW))
        assert status["refreshedTime"] == "2026-05-04T03:02:01Z"
        assert condition(status)[1] == "Read"

    @pytest.mark.parametrize("after", [-3600, 0, 60, 3599])
    def test_the_same_root_within_the_hour_is_not_told_again(self, after):
        status = told(FETCHED, fetched(NOW))
        at = NOW + timedelta(seconds=after)
        assert status_patch(store(FETCHED) | {"status": status}, fetched(at), LATER) is None

    def test_after_an_hour_it_is(self):
        status = told(FETCHED, fetched(NOW + timedelta(hours=1)), before=told(FETCHED, fetched(NOW)))
        assert status["refreshedTime"] == "2026-05-04T04:02:01Z"

    def test_another_root_is_told_at_once_by_who_has_the_later_one(self):
        before = told(FETCHED, fetched(NOW))
        other = trusted_root() + " "
        after = told(FETCHED, fetched(NOW + timedelta(seconds=1), other), before=before)
        assert after["trustedRoot"]["sha256"] == hashlib.sha256(other.encode()).hexdigest()
        assert status_patch(store(FETCHED) | {"status": after}, fetched(NOW), LATER) is None

    def test_who_could_fetch_nothing_tells_so_where_nobody_could(self):
        assert condition(told(FETCHED, fetched(None))) == ("False", "Broken", "it could not be fetched")

    def test_who_could_fetch_nothing_leaves_it_to_who_could(self):
        status = told(FETCHED, fetched(NOW))
        assert status_patch(store(FETCHED) | {"status": status}, fetched(None), LATER) is None

    def test_who_had_it_last_tells_that_it_has_expired(self):
        """No replica can have fetched it since."""
        before, later = told(FETCHED, fetched(NOW)), NOW + timedelta(days=7)
        expired = broken_store(parsed(FETCHED), ["it expired"], NOW)
        status = told(FETCHED, expired, before=before, now=later)
        assert condition(status) == ("False", "Broken", "it expired")
        assert "trustedRoot" not in status
        assert status["refreshedTime"] == before["refreshedTime"]
        older = broken_store(parsed(FETCHED), ["it expired"], NOW - timedelta(hours=2))
        assert status_patch(store(FETCHED) | {"status": before}, older, later) is None

    def test_a_root_that_others_know_a_later_one_of_is_not_told(self):
        """Neither what of it is ignored: each replica would write its own."""
        changed = json.loads(trusted_root())
        changed["tlogs"].append({"publicKey": {"rawBytes": "AA==", "keyDetails": "PKIX_ML_DSA_65"}})
        before = told(FETCHED, fetched(NOW))
        other = fetched(NOW - timedelta(hours=2), json.dumps(changed))
        assert other.root is not None
        assert other.root.ignored
        assert status_patch(store(FETCHED) | {"status": before}, other, LATER) is None

    def test_a_root_that_seemed_to_have_expired_is_told_again(self):
        """The clock of the replica was wrong: without a later fetch, no other replica would correct it."""
        before = told(FETCHED, fetched(NOW))
        expired = told(FETCHED, broken_store(parsed(FETCHED), ["it expired"], NOW), before=before, now=LATER)
        after = told(FETCHED, fetched(NOW + timedelta(milliseconds=7)), before=expired, now=LATER)
        assert condition(after)[1] == "Read"
        assert after["trustedRoot"] == before["trustedRoot"]

    def test_a_time_in_the_future_counts_for_nothing(self):
        """The clock of the replica that wrote it was wrong."""
        before = told(FETCHED, fetched(NOW + timedelta(days=400)))
        assert told(FETCHED, fetched(NOW), before=before)["refreshedTime"] == "2026-05-04T03:02:01Z"
        assert condition(told(FETCHED, fetched(None), before=before))[1] == "Broken"

    def test_but_not_for_ever(self):
        before = told(FETCHED, fetched(NOW))
        status = told(FETCHED, fetched(None), before=before, now=NOW + timedelta(days=14))
        assert condition(status)[1] == "Broken"
        assert "refreshedTime" not in status

    def test_what_was_fetched_for_another_spec_counts_for_nothing(self):
        before = told(FETCHED, fetched(NOW)) | {"observedGeneration": 1}
        assert condition(told(FETCHED, fetched(None), before=before))[1] == "Broken"

    def test_after_a_day_without_a_refresh_it_is_stale_and_still_in_use(self):
        before = told(FETCHED, fetched(NOW))
        day = NOW + timedelta(days=1)
        assert status_patch(store(FETCHED) | {"status": before}, fetched(NOW), day) is None
        status = told(FETCHED, fetched(NOW), before=before, now=day + timedelta(seconds=1))
        ready, reason, message = condition(status)
        assert (ready, reason) == ("True", "Stale")
        assert "last fetched at 2026-05-04T03:02:01Z" in message

    @pytest.mark.parametrize("nonsense", ["yesterday", 7, None])
    def test_a_time_that_is_none_is_replaced(self, nonsense):
        before = told(FETCHED, fetched(NOW)) | {"refreshedTime": nonsense}
        assert told(FETCHED, fetched(NOW), before=before)["refreshedTime"] == "2026-05-04T03:02:01Z"
