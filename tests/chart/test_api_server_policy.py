"""The ValidatingAdmissionPolicy of the chart; tests/e2e/test_api_server_policy.py has what the API server makes of it."""

import pytest

from tests.chart.render import ENFORCING, HelmError, find, find_all, render, webhooks

PREFIX = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/"
POLICY = {"apiServerPolicy": {"allowedPrefixes": [PREFIX]}}
NAME, VERDICTS = "tidegate.tidegate.dev", "tidegate-verdicts.tidegate.dev"


def test_there_is_none_unless_something_is_required():
    assert find_all(render(), "ValidatingAdmissionPolicy", NAME) == []
    assert find_all(render(), "ValidatingAdmissionPolicyBinding", NAME) == []


@pytest.mark.parametrize(
    ("policy", "count"),
    [
        ({"allowedPrefixes": [PREFIX]}, 1),
        ({"digestRequired": True}, 1),
        (POLICY["apiServerPolicy"] | {"digestRequired": True}, 2),
    ],
)
def test_it_has_what_is_required_and_no_more(policy, count):
    found = find(render({"apiServerPolicy": policy}), "ValidatingAdmissionPolicy", NAME)
    assert len(found["spec"]["validations"]) == count


def test_it_is_about_the_same_resources_and_updates_as_the_webhook():
    objects = render(POLICY)
    spec = find(objects, "ValidatingAdmissionPolicy", NAME)["spec"]
    for hook in webhooks(objects).values():
        assert spec["matchConstraints"]["resourceRules"] == hook["rules"]
        assert spec["matchConditions"] == hook["matchConditions"]
    assert spec["failurePolicy"] == "Fail"


def test_it_denies_once_the_chart_enforces():
    assert find(render(POLICY), "ValidatingAdmissionPolicyBinding", NAME)["spec"]["validationActions"] == [
        "Warn",
        "Audit",
    ]
    enforcing = find(render({**POLICY, **ENFORCING}), "ValidatingAdmissionPolicyBinding", NAME)
    assert enforcing["spec"]["validationActions"] == ["Deny", "Audit"]


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("111122223333.dkr.ecr.eu-west-1.amazonaws.com", id="no slash, so that a longer host would match"),
        pytest.param("library/", id="no host, which would be Docker Hub's"),
        pytest.param("https://ghcr.io/", id="a URL"),
        pytest.param("", id="everything"),
    ],
)
def test_a_prefix_that_would_match_more_than_it_says_is_refused(prefix):
    with pytest.raises(HelmError, match="apiServerPolicy/allowedPrefixes/0"):
        render({"apiServerPolicy": {"allowedPrefixes": [prefix]}})


@pytest.mark.parametrize(
    ("values", "account"),
    [({}, "tidegate-background"), ({"serviceAccount": {"create": False, "name": "gate"}}, "gate-background")],
)
def test_only_the_background_role_may_write_verdicts_in_audit_mode_too(values, account):
    objects = render(values)
    (validation,) = find(objects, "ValidatingAdmissionPolicy", VERDICTS)["spec"]["validations"]
    user = f"system:serviceaccount:tidegate:{account}"
    assert validation["expression"] == f'request.userInfo.username == "{user}"'
    assert find(objects, "ValidatingAdmissionPolicyBinding", VERDICTS)["spec"]["validationActions"] == ["Deny", "Audit"]
