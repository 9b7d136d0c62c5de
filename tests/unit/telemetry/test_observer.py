"""What operators are told: every decision and every call as a metric, refusals and failures as lines, repeats once."""

from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.builders import DIGEST, IMAGE, broken, ecr, host, policy
from tidegate.admission.decision import Decision, Mark, decide, pass_without_work, refuse_unsynced
from tidegate.admission.request import AdmissionRequest, GroupVersionKind, GroupVersionResource, Operation
from tidegate.admission.verdict import Judgement, conclude
from tidegate.checks.result import Check, CheckResult, Outcome, Reason
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRegistry, OciRegistry, Registry
from tidegate.policy.model import Action, BrokenPolicy, ImagePolicy, Match, ScanRules
from tidegate.telemetry import counters
from tidegate.telemetry import observer as observer_module
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.observer import REPEAT_SECONDS, Observer
from tidegate.telemetry.registries import MAX_ANSWERED, listed_registry_keys

REGISTRY = EcrRegistry("aws", "111122223333", "eu-west-1")
API = "ecr:DescribeImages"
SECRET = "User: arn:aws:iam::111122223333:role/tidegate is not authorized\x1b[2J"


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def observer(metrics):
    return Observer(metrics)


@pytest.fixture
def time(monkeypatch):
    """The clock that tells repeats, moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(observer_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def read(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by the values of their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def request(**changes: Any) -> AdmissionRequest:
    fields: dict[str, Any] = {
        "uid": "uid-1",
        "kind": GroupVersionKind("v1", "Pod"),
        "resource": GroupVersionResource("v1", "pods"),
        "sub_resource": "",
        "namespace": "shop",
        "name": "web",
        "operation": Operation.CREATE,
        "user": "ann",
        "dry_run": False,
        "images": (),
        "old_images": (),
    }
    return AdmissionRequest(**(fields | changes))


def decision(outcome: Outcome = Outcome.FAIL, action: Action = Action.DENY, *, stale: bool = False) -> Decision:
    result = CheckResult(check=Check.SCAN, outcome=outcome, reason=Reason.NOT_SCANNED, found="it is bad")
    judged = Judgement(policy=policy("p", scan=ScanRules(), actions=frozenset({action})), results=(result,))
    verdict = conclude(IMAGE, DIGEST, [judged], audit_only=False, stale=stale)
    return decide([("spec.containers[0].image", verdict)], expected=1)


def tell(observer: Observer, decided: Decision, *, waited: bool = False, **changes: Any) -> list[Any]:
    """Tell of a decision; return the lines that are written of it."""
    with capture_logs() as lines:
        observer.decided(request(**changes), decided, seconds=0.0002, waited=waited)
    return list(lines)


def test_every_decision_is_counted_and_timed(observer, metrics):
    tell(observer, decision(Outcome.PASS), waited=True)
    tell(observer, decision())
    tell(observer, pass_without_work(Mark.UNCHANGED), operation=Operation.UPDATE)
    assert read(metrics, "tidegate_admission_decisions_total") == {
        ("allowed", "CREATE"): 1.0,
        ("denied", "CREATE"): 1.0,
        ("allowed-unchanged", "UPDATE"): 1.0,
    }
    assert read(metrics, "tidegate_admission_seconds_count") == {("yes",): 1.0, ("no",): 2.0}


@pytest.mark.parametrize("action", list(Action))
def test_what_did_not_let_through_is_counted_and_logged_whatever_the_policy_does_about_it(observer, metrics, action):
    (line,) = tell(observer, decision(action=action))
    assert read(metrics, "tidegate_check_results_total") == {("p", "scan", "Fail", "NotScanned"): 1.0}
    assert line["images"] == [f"{IMAGE} {DIGEST} Fail"]
    assert "it is bad" in line["findings"][0]


@pytest.mark.parametrize("mark", [Mark.UNCHANGED, Mark.NO_POLICY, Mark.NO_IMAGES])
def test_a_plain_allow_is_no_line(observer, mark):
    assert tell(observer, decision(Outcome.PASS)) == []
    assert tell(observer, pass_without_work(mark)) == []


def test_a_refusal_names_who_wanted_what_and_where_without_obeying_it(observer):
    (line,) = tell(observer, decision(), user="eve\x1b[2J", name="w\neb", dry_run=True)
    assert line == {
        "event": "admission decided",
        "log_level": "info",
        "decision": "denied",
        "uid": "uid-1",
        "operation": "CREATE",
        "kind": "Pod",
        "namespace": "shop",
        "name": "w?eb",
        "user": "eve?[2J",
        "dry_run": True,
        "images": [f"{IMAGE} {DIGEST} Fail"],
        "findings": list(decision().verdicts[0].records),
        "exceptions": [],
        "causes": [],
        "seconds": 0.0002,
    }


def test_what_an_exception_let_in_is_counted_and_logged_also_where_nothing_is_warned_of(observer, metrics):
    (line,) = tell(observer, decision(Outcome.EXEMPT, action=Action.AUDIT))
    assert read(metrics, "tidegate_check_results_total") == {("p", "scan", "Exempt", "NotScanned"): 1.0}
    assert line["exceptions"] == ["scan: it is bad [policy p]"]


def test_before_the_policies_are_read_a_refusal_is_a_line(observer):
    (line,) = tell(observer, refuse_unsynced(audit_only=False))
    assert line["decision"] == "policies-not-synced"


def test_an_answer_on_stale_evidence_is_counted(observer, metrics):
    tell(observer, decision(Outcome.PASS))
    assert read(metrics, "tidegate_stale_evidence_total") == {(): 0.0}
    tell(observer, decision(Outcome.PASS, stale=True))
    assert read(metrics, "tidegate_stale_evidence_total") == {(): 1.0}


def test_the_same_refusal_is_a_line_again_only_after_a_while(observer, time, metrics):
    assert len(tell(observer, decision())) == 1
    time[0] += REPEAT_SECONDS - 0.001
    assert tell(observer, decision()) == []
    assert len(tell(observer, decision(), namespace="other")) == 1
    time[0] += 0.001
    assert len(tell(observer, decision())) == 1
    assert read(metrics, "tidegate_admission_decisions_total") == {("denied", "CREATE"): 4.0}


def test_what_is_remembered_of_lines_is_bounded(observer, time, monkeypatch):
    monkeypatch.setattr(observer_module, "MAX_REMEMBERED", 2)
    for namespace in "abc":
        assert len(tell(observer, decision(), namespace=namespace)) == 1
    assert tell(observer, decision(), namespace="c") == []
    assert len(tell(observer, decision(), namespace="a")) == 1


def called(
    observer: Observer,
    problem: Exception | None,
    seconds: float = 0.03,
    *,
    source: str = API,
    registry: Registry = REGISTRY,
    found: bool = True,
) -> list[Any]:
    with capture_logs() as lines:
        observer.called(source, registry, seconds, problem, found=found)
    return list(lines)


def test_every_call_is_counted_by_what_came_of_it(observer, metrics, time):
    assert called(observer, None) == []
    called(observer, SourceUnavailableError(Cause.THROTTLED, API, "slow down"))
    called(observer, LookupError("surprise"))
    assert read(metrics, "tidegate_source_calls_total") == {
        (API, "111122223333/eu-west-1", "ok"): 1.0,
        (API, "111122223333/eu-west-1", "Throttled"): 1.0,
        (API, "111122223333/eu-west-1", "InternalError"): 1.0,
    }
    assert read(metrics, "tidegate_source_call_seconds_count") == {(API,): 3.0}


def test_a_call_that_failed_is_a_line_with_what_an_operator_needs(observer):
    (line,) = called(observer, SourceUnavailableError(Cause.ACCESS_DENIED, API, SECRET))
    assert line["detail"] == SECRET.replace("\x1b", "?")
    assert (line["api"], line["registry"], line["cause"]) == (API, "111122223333/eu-west-1", "AccessDenied")
    assert line["exc_info"] is None


def test_an_error_that_nobody_foresaw_is_a_line_with_its_traceback(observer):
    problem = LookupError("surprise")
    (line,) = called(observer, problem)
    assert line["exc_info"] is problem


def test_the_same_failure_is_a_line_again_only_after_a_while(observer, time):
    throttled, denied = (SourceUnavailableError(cause, API, "") for cause in (Cause.THROTTLED, Cause.ACCESS_DENIED))
    assert [len(called(observer, problem)) for problem in (throttled, throttled, denied)] == [1, 0, 1]
    time[0] += REPEAT_SECONDS
    assert len(called(observer, throttled)) == 1


def test_ids_that_were_left_open_are_counted_and_told_once(observer, metrics, time):
    observer.registries.listed = lambda: [("aws", "111122223333", None)]
    problem = SourceUnavailableError(Cause.ACCESS_DENIED, API, SECRET)
    with capture_logs() as lines:
        observer.unanswered(API, REGISTRY, 3, problem)
        observer.unanswered(API, REGISTRY, 4, problem)
    assert read(metrics, "tidegate_source_unanswered_ids_total") == {
        (API, "111122223333/eu-west-1", "AccessDenied"): 7.0
    }
    assert [line["ids"] for line in lines] == [3]


def labels(metrics: Metrics) -> set[str]:
    return {registry for _, registry, _ in read(metrics, "tidegate_source_calls_total")}


DENIED = SourceUnavailableError(Cause.ACCESS_DENIED, API, "no")


def account(number: int) -> EcrRegistry:
    return EcrRegistry("aws", f"{number:012}", "eu-west-1")


def test_accounts_that_a_tenant_makes_up_get_no_labels_and_take_none_from_real_ones(
    observer, metrics, time, monkeypatch
):
    """Whatever a Pod names is asked where no policy lists registries: 2,000 such names would fill the metric."""
    monkeypatch.setattr(counters, "MAX_SERIES", 20)
    for number in range(3 * counters.MAX_SERIES):
        called(observer, DENIED, registry=account(number))
        called(observer, None, registry=account(number), found=False)
        called(observer, None, registry=account(number), source="ecr:DescribePullThroughCacheRules")
        observer.unanswered(API, account(number), 1, DENIED)
    assert labels(metrics) == {"other"}
    assert read(metrics, "tidegate_source_unanswered_ids_total") == {
        (API, "other", "AccessDenied"): 3.0 * counters.MAX_SERIES
    }
    called(observer, None)
    called(observer, DENIED)
    assert labels(metrics) == {"other", "111122223333/eu-west-1"}


def test_a_registry_that_a_policy_lists_is_named_before_it_answered(observer, metrics):
    policies: list[ImagePolicy | BrokenPolicy] = [
        policy("registries", registries=(ecr(account="000000000001"), host("ghcr.io"))),
        policy("match", match=Match(images=(ecr(account="000000000002", region="eu-west-1"),))),
        broken(match=Match(images=(ecr(account="000000000003"),))),
        policy("elsewhere", registries=(ecr(account="000000000004", region="us-east-1"),)),
        policy("china", registries=(ecr(account="000000000005", partition="aws-cn"),)),
    ]
    observer.registries.listed = lambda: listed_registry_keys(policies)
    for number in range(1, 6):
        called(observer, DENIED, registry=account(number))
    called(observer, DENIED, registry=OciRegistry("ghcr.io"))
    assert labels(metrics) == {"ghcr.io", "other", *(f"{number:012}/eu-west-1" for number in (1, 2, 3))}


def test_registries_that_no_policy_lists_are_named_up_to_a_bound(observer, metrics):
    observer.registries.listed = lambda: [("aws", "111122223333", None)]
    for number in range(2 * MAX_ANSWERED):
        called(observer, None, registry=account(number))
    called(observer, None)
    assert len(labels(metrics)) == MAX_ANSWERED + 2
    assert {"other", "111122223333/eu-west-1"} <= labels(metrics)


def test_the_metrics_are_rendered_for_prometheus_with_version_and_gauges(metrics):
    metrics.watch("tidegate_cached_details", "Facts kept.", lambda: 7.0)
    text = metrics.render().decode()
    assert "tidegate_cached_details 7.0" in text
    assert "tidegate_build_info{version=" in text
    assert "process_resident_memory_bytes" in text


def test_what_is_remembered_of_a_line_holds_none_of_its_texts(observer, time):
    tell(observer, decision(), namespace="n" * 1_000)
    assert all(isinstance(key, int) for key in observer._repeats._last)


def test_the_oldest_line_is_forgotten_first_and_the_others_are_still_known(observer, time, monkeypatch):
    monkeypatch.setattr(observer_module, "MAX_REMEMBERED", 3)
    for namespace in "abcd":
        tell(observer, decision(), namespace=namespace)
    assert [len(tell(observer, decision(), namespace=namespace)) for namespace in "bcd"] == [0, 0, 0]
    assert len(observer._repeats) == 3
