"""The webhook configuration of digest pinning that the chart renders."""

import base64
from typing import Any

import pytest

from tests.chart.examples import CERT_MANAGER, EVERYTHING, PEM, SECRET
from tests.chart.render import HelmError, controller_config, find, find_all, render, role_rules, webhooks

PINNING: dict[str, Any] = {"digestPinning": {"enabled": True}}
EXEMPT = {"operator": "NotIn", "values": ["tidegate", "kube-system", "kube-node-lease", "kube-public"]}
KIND = "MutatingWebhookConfiguration"


def pinning_hook(values: dict[str, Any]) -> dict[str, Any]:
    (hook,) = find(render(values), KIND)["webhooks"]
    only: dict[str, Any] = hook
    return only


def namespaces_of(hook: dict[str, Any]) -> list[dict[str, Any]]:
    expressions = hook["namespaceSelector"]["matchExpressions"]
    assert {one.pop("key") for one in expressions} == {"kubernetes.io/metadata.name"}
    return list(expressions)


def test_it_is_off_by_default():
    objects = render()
    assert find_all(objects, KIND) == []
    assert controller_config(objects)["digestPinning"] is False
    assert all("mutatingwebhookconfigurations" not in rule["resources"] for rule in role_rules(objects))


def test_the_path_is_served_exactly_where_it_is_on():
    assert controller_config(render(PINNING))["digestPinning"] is True


def test_it_never_stops_a_pod_by_itself_has_no_side_effects_and_is_called_again_after_others():
    hook = pinning_hook(PINNING)
    assert hook["name"] == "pin.tidegate.dev"
    assert hook["failurePolicy"] == "Ignore"
    assert hook["sideEffects"] == "None"
    assert hook["reinvocationPolicy"] == "IfNeeded"
    assert hook["matchPolicy"] == "Equivalent"


def test_it_is_called_for_pods_only():
    (rule,) = pinning_hook(PINNING)["rules"]
    assert rule["resources"] == ["pods", "pods/ephemeralcontainers"]
    assert (rule["apiGroups"], rule["apiVersions"]) == ([""], ["v1"])
    assert rule["operations"] == ["CREATE", "UPDATE"]


def test_an_update_without_a_new_image_is_not_sent():
    (condition,) = pinning_hook(PINNING)["matchConditions"]
    assert condition == webhooks(render())["enforce.tidegate.dev"]["matchConditions"][0]


@pytest.mark.parametrize(
    ("namespaces", "chosen"), [([], []), (["a", "b"], [{"operator": "In", "values": ["a", "b"]}])], ids=["all", "some"]
)
def test_it_is_off_in_exempt_namespaces_and_on_in_the_listed_ones(namespaces, chosen):
    hook = pinning_hook({"digestPinning": {"enabled": True, "namespaces": namespaces}})
    assert namespaces_of(hook) == [EXEMPT, *chosen]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"digestPinning": {"namespaces": ["a"]}}, "digestPinning.enabled is false"),
        ({"digestPinning": {"enabled": True, "namespaces": ["kube-system"]}}, "nothing is pinned there"),
        ({"digestPinning": {"enabled": True, "namespaces": ["tidegate"]}}, "nothing is pinned there"),
    ],
)
def test_namespaces_where_nothing_would_be_pinned_are_refused(values, says):
    with pytest.raises(HelmError, match=says):
        render(values)


class TestCertificate:
    def test_of_its_own_may_be_written_into_this_configuration_and_no_other(self):
        objects = render(PINNING | {"fullnameOverride": "gate"})
        assert {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "resourceNames": [find(objects, KIND)["metadata"]["name"]],
            "verbs": ["get", "patch"],
        } in role_rules(objects)
        assert controller_config(objects)["certificate"]["webhookConfigurationName"] == "gate"

    def test_of_a_secret_brings_its_bundle_and_no_right_to_write(self):
        objects = render(PINNING | SECRET)
        (hook,) = find(objects, KIND)["webhooks"]
        assert base64.b64decode(hook["clientConfig"]["caBundle"]).decode() == PEM
        assert all("mutatingwebhookconfigurations" not in rule["resources"] for rule in role_rules(objects))

    def test_of_cert_manager_is_injected_and_there_is_no_right_to_write(self):
        objects = render(PINNING | CERT_MANAGER)
        annotations = find(objects, KIND)["metadata"]["annotations"]
        assert annotations == {"cert-manager.io/inject-ca-from": "tidegate/tidegate"}
        assert all("mutatingwebhookconfigurations" not in rule["resources"] for rule in role_rules(objects))


def test_both_configurations_have_the_annotations_of_the_values():
    objects = render(EVERYTHING | CERT_MANAGER)
    found = [find(objects, kind)["metadata"]["annotations"] for kind in (KIND, "ValidatingWebhookConfiguration")]
    assert found == [{"owner": "platform", "cert-manager.io/inject-ca-from": "tidegate/tidegate"}] * 2
