"""``helm test`` and the init container: what they run, and that the command accepts it."""

from typing import Any

import click
import pytest

from tests.chart.render import container, find, pod_spec, render, render_hook
from tidegate.cli.preflight.command import preflight
from tidegate.cli.preflight.row import PreflightCheck
from tidegate.errors import Error
from tidegate.images.reference import parse_reference

ON = {"preflight": {"enabled": True}}


def parsed(arguments: list[str], tmp_path: Any) -> dict[str, Any]:
    """Return the parameters of ``tidegate preflight``; the configuration file is another one here."""
    assert arguments[0] == "preflight"
    config = tmp_path / "config.yaml"
    config.touch()
    words = [word.replace("/etc/tidegate/config.yaml", str(config)) for word in arguments[1:]]
    made: click.Context = preflight.make_context("preflight", words)
    return made.params


def test_helm_test_runs_the_check_of_the_webhook(tmp_path):
    (only,) = find(render_hook("test", {"test": {"namespace": "team-a"}}), "Pod")["spec"]["containers"]
    found = parsed(only["args"], tmp_path)
    assert (found["only"], found["namespace"], found["image"]) == (("webhook",), "team-a", None)


@pytest.mark.parametrize("prefix", ["111122223333.dkr.ecr.eu-west-1.amazonaws.com/", "ghcr.io/org/"])
def test_its_image_passes_the_api_server_s_own_policy_and_no_other(prefix, tmp_path):
    values = {"apiServerPolicy": {"allowedPrefixes": [prefix], "digestRequired": True}}
    (only,) = find(render_hook("test", values), "Pod")["spec"]["containers"]
    image = parsed(only["args"], tmp_path)["image"]
    assert image.startswith(prefix)
    assert "@sha256:" in image
    with pytest.raises(Error):
        parse_reference(image)


def test_helm_test_is_made_like_every_pod_of_the_chart():
    values = {"image": {"pullSecrets": ["regcred"]}, "nodeSelector": {"a": "b"}, "commonLabels": {"team": "x"}}
    pod = find(render_hook("test", values), "Pod")
    spec = pod["spec"]
    (only,) = spec["containers"]
    controller = pod_spec(render(values))
    for part in ("securityContext", "imagePullSecrets", "nodeSelector"):
        assert spec[part] == controller[part]
    assert only["securityContext"] == container(render(values))["securityContext"]
    assert only["image"] == container(render(values))["image"]
    assert pod["metadata"]["labels"]["team"] == "x"


def test_the_service_never_selects_the_pod_of_helm_test():
    selector = find(render(), "Service", "tidegate")["spec"]["selector"]
    labels = find(render_hook("test"), "Pod")["metadata"]["labels"]
    assert not selector.items() <= labels.items()


def test_there_is_no_init_container_by_default():
    assert "initContainers" not in pod_spec(render())


def test_the_init_container_checks_what_needs_no_running_controller(tmp_path):
    (init,) = pod_spec(render(ON))["initContainers"]
    found = parsed(init["args"], tmp_path)
    assert set(found["only"]) == set(PreflightCheck) - {
        PreflightCheck.POLICIES,
        PreflightCheck.WEBHOOK,
        PreflightCheck.EVENTS,  # The background role receives them.
    }
    assert found["allow_unknown"] is True


def test_the_init_container_has_the_environment_and_files_of_the_controller():
    more = {
        "caBundle": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    }
    objects = render(ON | more)
    (init,) = pod_spec(objects)["initContainers"]
    for part in ("env", "volumeMounts", "image", "securityContext", "resources"):
        assert init[part] == container(objects)[part]
