"""PolicyReports as values: what each result says, their order and bounds, and when there is nothing to write."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.builders import NOW, evidence, findings, full_policy
from tests.unit.builders import report as report_of
from tests.unit.verdicts.given import WEB, given, repository, verdict
from tests.verdict_objects import entries_of, hostile, shop
from tidegate.admission.verdict import Judgement
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.images.digest import Digest
from tidegate.reports import policy_report
from tidegate.reports.policy_report import OMITTED, OPEN_REPORTS, WG_POLICY, build_report, is_own, merged
from tidegate.reports.read import read_inventory
from tidegate.reports.report_book import ReportBook
from tidegate.reports.report_entry import ReportEntry, entries_of_verdicts
from tidegate.verdicts.encode import encode

IMAGE = "registry.example/team/app@sha256:1"
FAILING = ReportEntry(
    namespace="shop",
    workload=replace(WEB, api_version="apps/v1", uid="uid-1"),
    image=IMAGE,
    policy="baseline",
    actions=("Audit",),
    outcome=Outcome.FAIL,
    check="vulnerabilities",
    reason="VulnerabilitiesFound",
    message="2 CRITICAL (allowed 0)",
    remedy="update curl",
    severity="CRITICAL",
)
PASSING = ReportEntry(
    namespace="shop", workload=WEB, image=IMAGE, policy="other", actions=("Deny",), outcome=Outcome.PASS
)


def report(*entries, kind=WG_POLICY):
    built = build_report("shop", entries, kind)
    assert built is not None
    return built


def shop_entries(namespace):
    return [one for one in entries_of(read_inventory(shop())) if one.namespace == namespace]


def test_a_result_says_what_fails_where_and_how_to_fix_it():
    built = report(FAILING)
    assert (built["apiVersion"], built["kind"]) == ("wgpolicyk8s.io/v1alpha2", "PolicyReport")
    assert built["metadata"] == {
        "name": "tidegate",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "tidegate"},
    }
    assert built["summary"] == {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}
    (result,) = built["results"]
    identity = result["properties"].pop("resultID")
    assert len(identity) == 32
    assert result == {
        "source": "tidegate",
        "policy": "baseline",
        "rule": "vulnerabilities",
        "category": "Vulnerabilities",
        "severity": "critical",
        "result": "fail",
        "scored": True,
        "message": "VulnerabilitiesFound: 2 CRITICAL (allowed 0)",
        "resources": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "uid-1"}
        ],
        "properties": {"image": IMAGE, "reason": "VulnerabilitiesFound", "actions": "Audit", "remedy": "update curl"},
    }


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome.FAIL, "fail"), (Outcome.UNDETERMINED, "error"), (Outcome.EXEMPT, "skip"), (Outcome.PASS, "pass")],
)
def test_every_outcome_has_its_word(outcome, word):
    built = report(replace(FAILING, outcome=outcome))
    assert [one["result"] for one in built["results"]] == [word]
    assert built["summary"][word] == 1


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({"severity": "CRITICAL"}, "critical"),
        ({"severity": "HIGH"}, "high"),
        ({"severity": "MEDIUM"}, "medium"),
        ({"severity": "LOW"}, "low"),
        ({"severity": "UNTRIAGED"}, "info"),
        ({"severity": "a word of tomorrow"}, "info"),
        ({"severity": "", "check": "signatures"}, "high"),
        ({"severity": "", "check": "registries"}, "high"),
        ({"severity": "", "check": "tags"}, "medium"),
        ({"severity": "", "check": "a check of tomorrow"}, "medium"),
    ],
)
def test_severities(given, severity):
    (result,) = report(replace(FAILING, **given))["results"]
    assert result["severity"] == severity


def test_a_workload_that_is_not_listed_is_no_resource():
    (result,) = report(replace(FAILING, workload=None))["results"]
    assert "resources" not in result


def test_a_resource_has_only_what_is_known_of_it():
    (result,) = report(replace(FAILING, workload=WEB))["results"]
    assert result["resources"] == [{"kind": "Deployment", "namespace": "shop", "name": "web"}]


@pytest.mark.parametrize(
    ("metadata", "own"),
    [
        ({}, False),
        ({"labels": None}, False),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, False),
        ({"labels": {"app.kubernetes.io/managed-by": "tidegate"}}, True),
    ],
)
def test_a_report_is_own_by_its_label(metadata, own):
    assert is_own({"metadata": metadata}) is own


def test_paths():
    assert WG_POLICY.path == "/apis/wgpolicyk8s.io/v1alpha2/policyreports"
    assert OPEN_REPORTS.path_in("shop") == "/apis/openreports.io/v1alpha1/namespaces/shop/reports"


def test_a_pass_has_no_rule_and_no_severity():
    (result,) = report(PASSING)["results"]
    assert result["result"] == "pass"
    assert not {"rule", "severity"} & result.keys()
    assert result["message"] == f"{IMAGE} meets the policy"


def test_reports_of_openreports_differ_in_kind_alone():
    first, second = report(FAILING, PASSING), report(FAILING, PASSING, kind=OPEN_REPORTS)
    assert (second.pop("apiVersion"), second.pop("kind")) == ("openreports.io/v1alpha1", "Report")
    del first["apiVersion"], first["kind"]
    assert first == second


def test_the_identity_of_a_result_is_that_of_its_problem():
    def identity(**given):
        return report(replace(FAILING, **given))["results"][0]["properties"]["resultID"]

    same = identity()
    assert identity(message="3 CRITICAL", remedy="other", severity="HIGH", actions=("Deny",)) == same
    for change in (
        {"namespace": "x"},
        {"workload": replace(WEB, name="x")},
        {"image": "x"},
        {"policy": "x"},
        {"check": "tags"},
        {"reason": "x"},
        {"outcome": Outcome.UNDETERMINED},
    ):
        assert identity(**change) != same


def test_the_order_does_not_depend_on_that_of_the_entries():
    entries = shop_entries("shop")
    assert report(*entries) == report(*reversed(entries))
    words = [one["result"] for one in report(*entries)["results"]]
    assert words == sorted(words, key=["fail", "error", "skip", "pass"].index)


def test_a_namespace_with_nothing_to_say_has_no_report():
    assert build_report("shop", (), WG_POLICY) is None


def many(count):
    return [replace(FAILING if number % 2 else PASSING, image=f"{IMAGE}{number}") for number in range(count)]


def test_too_many_results_are_cut_from_the_end_and_the_report_says_so(monkeypatch):
    monkeypatch.setattr(policy_report, "MAX_RESULTS", 6)
    whole = report(*many(6))
    assert OMITTED not in whole["metadata"].get("annotations", {})
    cut = report(*many(10))
    assert [one["result"] for one in cut["results"]] == ["fail"] * 5 + ["pass", "warn"]
    assert cut["summary"] == {"pass": 5, "fail": 5, "warn": 1, "error": 0, "skip": 0}
    assert cut["metadata"]["annotations"] == {OMITTED: "4"}
    message = "4 further results are not listed; run: tidegate report --namespace shop"
    assert cut["results"][-1]["message"] == message


def test_the_largest_report_fits_etcd():
    longest = {"message": "\u20ac" * 5_000, "remedy": "\u20ac" * 5_000, "exception": "e" * 253, "policy": "p" * 253}
    built = report(*(replace(one, **longest) for one in many(5_000)))
    assert len(json.dumps(built, ensure_ascii=False).encode()) < 700 * 1024
    assert built["summary"]["fail"] == 2_500


def test_texts_of_an_attacker_stay_texts():
    entries = entries_of(read_inventory(hostile()))
    for namespace in {one.namespace for one in entries}:
        built = build_report(namespace, [one for one in entries if one.namespace == namespace], WG_POLICY)
        assert built is not None
        json.dumps(built)


class TestWhatIsWritten:
    """``merged``: the report to write beside the stored one, or None."""

    def stored(self):
        written = merged(report(FAILING, PASSING), None, now=NOW)
        assert written is not None
        return written | {"metadata": written["metadata"] | {"resourceVersion": "7", "uid": "u", "managedFields": []}}

    def test_a_new_report_has_the_time_of_its_results(self):
        assert {json.dumps(one["timestamp"]) for one in self.stored()["results"]} == {
            json.dumps({"seconds": int(NOW.timestamp()), "nanos": 0})
        }

    def test_the_same_again_is_not_written(self):
        assert merged(report(FAILING, PASSING), self.stored(), now=NOW + timedelta(days=1)) is None

    def test_a_result_keeps_its_time_and_a_new_one_gets_its_own(self):
        later = NOW + timedelta(days=1)
        new = merged(report(FAILING, PASSING, replace(PASSING, policy="third")), self.stored(), now=later)
        assert new is not None
        times = {one["policy"]: one["timestamp"]["seconds"] - int(NOW.timestamp()) for one in new["results"]}
        assert times == {"baseline": 0, "other": 0, "third": 86_400}
        assert new["metadata"]["resourceVersion"] == "7"

    def test_a_changed_message_is_written(self):
        new = merged(report(replace(FAILING, message="3 CRITICAL"), PASSING), self.stored(), now=NOW)
        assert new is not None
        assert "3 CRITICAL" in new["results"][0]["message"]

    @pytest.mark.parametrize(
        "edit",
        [
            {"results": []},
            {"results": None},
            {"results": ["text", {"properties": "text"}]},
            {"summary": {"fail": 0}},
            {"summary": None},
        ],
    )
    def test_an_edited_report_is_written_anew(self, edit):
        new = merged(report(FAILING, PASSING), self.stored() | edit, now=NOW)
        assert new is not None
        assert new["summary"]["fail"] == 1
        assert len(new["results"]) == 2

    def test_labels_and_annotations_of_others_stay(self):
        stored = self.stored()
        stored["metadata"] |= {"labels": stored["metadata"]["labels"] | {"team": "x"}, "annotations": {"note": "y"}}
        assert merged(report(FAILING, PASSING), stored, now=NOW) is None
        new = merged(report(FAILING), stored, now=NOW)
        assert new is not None
        assert new["metadata"]["labels"]["team"] == "x"
        assert new["metadata"]["annotations"] == {"note": "y"}

    def test_a_report_that_is_whole_again_does_not_say_that_it_was_cut(self):
        stored = self.stored()
        stored["metadata"] |= {"annotations": {OMITTED: "3"}}
        new = merged(report(FAILING, PASSING), stored, now=NOW)
        assert new is not None
        assert "annotations" not in new["metadata"]


class TestEntries:
    """From verdicts as they are judged."""

    def test_a_fresh_verdict_has_an_entry_for_each_policy_and_workload(self):
        (entry,) = entries_of_verdicts(IMAGE, [verdict(evidence())])
        assert (entry.namespace, entry.workload, entry.policy) == ("shop", WEB, full_policy().name)

    def test_a_fresh_failure_has_the_severity_of_its_worst_finding(self):
        judged = [verdict(evidence(report_of(*findings(CRITICAL=1, HIGH=2))))]
        (entry,) = entries_of_verdicts(IMAGE, judged)
        assert (entry.outcome, entry.reason, entry.severity) == (Outcome.FAIL, "VulnerabilitiesFound", "CRITICAL")
        assert entry.message.startswith("1 CRITICAL (allowed 0): ")
        assert entry.remedy.startswith("update ")

    def test_an_exception_is_named_by_fresh_and_stored_verdicts(self):
        exempt = CheckResult(
            check=Check.SIGNATURES,
            outcome=Outcome.EXEMPT,
            reason=Reason.SIGNATURE_MISSING,
            found="no signature",
            exceptions=("legacy-importer", "team-a/until-friday"),
        )
        judged = verdict(evidence())
        judgement = Judgement(policy=full_policy(), results=(exempt,))
        judged = replace(judged, verdict=replace(judged.verdict, judgements=(judgement,)))
        (entry,) = entries_of_verdicts(IMAGE, [judged])
        assert entry.exception == "legacy-importer, team-a/until-friday"
        (result,) = report(entry)["results"]
        assert (result["result"], result["properties"]["exception"]) == ("skip", entry.exception)
        (image,) = read_inventory([encode(given(judged=[judged]), NOW)]).images
        assert image.exceptions == (entry.exception,)


class TestBook:
    """What the background role keeps."""

    def test_a_namespace_changes_with_its_entries_alone(self):
        book = ReportBook()
        book.put("a", [FAILING])
        book.put("b", [PASSING])
        assert book.take_changed() == {"shop"}
        book.put("a", [FAILING])
        assert book.take_changed() == frozenset()
        book.put("a", [replace(FAILING, message="other")])
        assert book.take_changed() == {"shop"}
        book.put("a", [replace(FAILING, namespace="data")])
        assert book.take_changed() == {"shop", "data"}
        assert book.namespaces == {"shop", "data"}
        book.put("a", [])
        book.put("b", [])
        assert book.take_changed() == {"shop", "data"}
        assert book.namespaces == frozenset()
        assert book.report("shop", WG_POLICY) is None
        book.put("c", [])
        assert book.take_changed() == frozenset()

    def test_a_report_has_the_entries_of_all_images(self):
        book = ReportBook()
        book.put("a", [FAILING])
        book.put("b", [replace(PASSING, image="b")])
        found = book.report("shop", WG_POLICY)
        assert found is not None
        assert found == report(FAILING, replace(PASSING, image="b"))

    def test_a_process_that_begins_to_lead_starts_anew(self):
        book = ReportBook()
        book.put("a", [FAILING])
        book.clear()
        assert (book.namespaces, book.take_changed()) == (frozenset(), frozenset())
        book.put("a", [FAILING])
        assert book.take_changed() == {"shop"}

    def test_verdicts_are_taken_as_they_are_judged(self):
        book = ReportBook()
        image = (repository(), Digest("sha256:" + "1" * 64))
        book.judged(image, [verdict(evidence())])
        assert book.namespaces == {"shop"}
        book.judged(image, [])
        assert book.namespaces == frozenset()
