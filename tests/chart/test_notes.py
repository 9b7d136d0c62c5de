"""What helm prints after an installation: which policies deny, which only warn or audit, and what to do next."""

import pytest

from tests.chart.render import CHART, NAMESPACE, RELEASE, run_helm

ONLY_WARNS = "Policy tidegate-baseline refuses nothing: it only warns users and writes audit annotations."
ONLY_AUDITS = "Policy tidegate-baseline refuses nothing: it only writes audit annotations."
DENIES = "Policy tidegate-baseline denies: it refuses images that do not meet it."
LEFT_TO_DO = "Let a policy deny"


def notes(**values: object) -> str:
    """Return the notes of an installation, with each run of spaces as one."""
    arguments = ("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client")
    return " ".join(run_helm(*arguments, values=values).stdout.partition("NOTES:")[2].split())


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        pytest.param(["Audit"], ONLY_AUDITS, id="Audit"),
        pytest.param(["Warn"], "Policy tidegate-baseline refuses nothing: it only warns users.", id="Warn"),
        pytest.param(["Warn", "Audit"], ONLY_WARNS, id="Warn and Audit"),
        pytest.param(["Deny"], DENIES, id="Deny"),
        pytest.param(["Deny", "Audit"], DENIES, id="Deny and Audit"),
    ],
)
def test_they_say_whether_the_baseline_policy_denies(actions, said):
    text = notes(auditOnly=False, baselinePolicy={"validationActions": actions})
    assert said in text
    assert (LEFT_TO_DO in text) is ("Deny" not in actions)
    assert ("Nothing to do" in text) is ("Deny" in actions)


@pytest.mark.parametrize("namespaces", [{}, {"enforced": ["team-a"]}, {"audit": ["sandbox"]}], ids=str)
def test_they_never_say_that_what_no_policy_refuses_is_refused(namespaces):
    """The default baseline policy warns, whatever the webhook's failurePolicy is."""
    text = notes(auditOnly=False, namespaces=namespaces)
    assert "Only policies with Deny in their validationActions refuse." in text
    assert ONLY_WARNS in text
    for claim in ("guarded", "Guarding", "Enforcing in all"):
        assert claim not in text


@pytest.mark.parametrize("actions", [["Audit"], ["Warn"], ["Deny"]])
def test_in_audit_mode_nothing_is_refused_whatever_the_policy_says(actions):
    text = notes(baselinePolicy={"validationActions": actions})
    assert "nothing is refused" in text
    assert DENIES not in text
    assert ("Policy tidegate-baseline has Deny, which counts as Warn and Audit while auditOnly is true." in text) is (
        actions == ["Deny"]
    )


def test_without_a_baseline_policy_they_say_that_nothing_is_required():
    text = notes(auditOnly=False, baselinePolicy={"enabled": False})
    assert "NO POLICY: the chart creates none." in text
    assert "tidegate-baseline" not in text
    assert LEFT_TO_DO in text


def test_they_say_how_to_see_the_actions_of_all_policies():
    assert "kubectl get imagepolicies # the column ACTIONS shows which ones deny" in notes()
