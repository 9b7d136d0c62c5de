"""``tidegate check`` judges the images of custom resources by field paths: of well-known kinds, and of those that a user names."""

import shlex
from typing import Any

import pytest

from tests.integration.cli.desk import Desk
from tests.integration.cli.test_check import BAD, GOOD
from tests.integration.cli.test_check_not_judged import ADMITTED, NOT_JUDGED, REFUSED, rows, states
from tests.simulator import World
from tidegate.cli.image_paths import DEFAULTS

TASK = {"steps": [{"image": BAD}], "sidecars": [{"image": BAD}], "stepTemplate": {"image": BAD}}
POD = {
    **{name: [{"image": BAD}] for name in ("containers", "initContainers", "ephemeralContainers")},
    "volumes": [{"image": {"reference": BAD}}, {"emptyDir": {}}],
}
TEMPLATE = {"template": {"spec": POD}}
PROBED = {"metrics": [{"provider": {"web": {}}}, {"provider": {"job": {"spec": TEMPLATE}}}]}
PIPELINE = {"tasks": [{"taskSpec": TASK}, {"taskRef": {"name": "build"}}], "finally": [{"taskSpec": TASK}]}
WORKFLOW = {
    "templates": [
        {"container": {"image": BAD}, "initContainers": [{"image": BAD}], "sidecars": [{"image": BAD}]},
        {"script": {"image": BAD}},
        {"containerSet": {"containers": [{"image": BAD}]}},
        {"steps": []},
    ]
}
SERVER = {"image": BAD, "containers": [{"image": BAD}], "initContainers": [{"image": BAD}]}
SPECS: dict[str, tuple[dict[str, Any], int]] = {
    "Rollout.argoproj.io": (TEMPLATE, 4),
    "AnalysisTemplate.argoproj.io": (PROBED, 4),
    "ClusterAnalysisTemplate.argoproj.io": (PROBED, 4),
    "Workflow.argoproj.io": (WORKFLOW, 5),
    "WorkflowTemplate.argoproj.io": (WORKFLOW, 5),
    "ClusterWorkflowTemplate.argoproj.io": (WORKFLOW, 5),
    "CronWorkflow.argoproj.io": ({"workflowSpec": WORKFLOW}, 5),
    "Service.serving.knative.dev": (TEMPLATE, 4),
    "Configuration.serving.knative.dev": (TEMPLATE, 4),
    "Revision.serving.knative.dev": (POD, 4),
    "Task.tekton.dev": (TASK, 3),
    "ClusterTask.tekton.dev": (TASK, 3),
    "StepAction.tekton.dev": ({"image": BAD}, 1),
    "TaskRun.tekton.dev": ({"taskSpec": TASK}, 3),
    "Pipeline.tekton.dev": (PIPELINE, 6),
    "PipelineRun.tekton.dev": ({"pipelineSpec": PIPELINE}, 6),
    "Prometheus.monitoring.coreos.com": (SERVER | {"thanos": {"image": BAD}}, 4),
    "PrometheusAgent.monitoring.coreos.com": (SERVER, 3),
    "Alertmanager.monitoring.coreos.com": (SERVER, 3),
    "ThanosRuler.monitoring.coreos.com": (SERVER, 3),
    "ScaledJob.keda.sh": ({"jobTargetRef": TEMPLATE}, 4),
    "DeploymentConfig.apps.openshift.io": (TEMPLATE, 4),
    "JobSet.jobset.x-k8s.io": ({"replicatedJobs": [{"template": {"spec": TEMPLATE}}]}, 4),
}
"""A spec of each well-known kind with an image in each of its paths, and their number."""


@pytest.fixture(autouse=True)
def bad(world: World) -> None:
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")


def resource(kind: str, spec: Any) -> dict[str, Any]:
    name, _, group = kind.partition(".")
    return {"apiVersion": f"{group}/v1", "kind": name, "metadata": {"name": "web"}, "spec": spec}


def test_every_well_known_kind_is_tested() -> None:
    assert set(SPECS) == set(DEFAULTS)


@pytest.mark.parametrize("kind", SPECS)
def test_every_image_of_a_well_known_kind_is_judged(desk: Desk, kind: str) -> None:
    spec, count = SPECS[kind]
    assert states(desk, "-f", desk.write("m.yaml", resource(kind, spec))) == (REFUSED, ["Refused"] * count)


def test_an_image_in_another_field_of_a_well_known_kind_is_not_judged(desk: Desk) -> None:
    spec = {"template": {"spec": {"containers": [{"image": GOOD}]}}, "sideImage": BAD}
    file = desk.write("m.yaml", resource("Rollout.argoproj.io", spec))
    code, (first, other) = rows(desk, "-f", file)
    assert (code, first["state"], other["state"]) == (NOT_JUDGED, "Allowed", "NotJudged")
    named = ("--image-path", "Rollout.argoproj.io=spec.sideImage")
    assert states(desk, "-f", file, *named) == (REFUSED, ["Allowed", "Refused"])
    assert states(desk, "-f", file, "--image-path", "Rollout.argoproj.io=") == (ADMITTED, ["Allowed"])


@pytest.mark.parametrize(
    ("path", "spec", "place"),
    [
        ("spec.image", {"image": BAD}, "spec.image"),
        (".spec.runsOn", {"runsOn": BAD}, "spec.runsOn"),
        ("spec.parts[*].what", {"parts": [{}, {"what": BAD}]}, "spec.parts[1].what"),
        ("spec.parts.*.what", {"parts": {"a": {"what": BAD}}}, "spec.parts.a.what"),
        ("spec.grid[*][*]", {"grid": [[], [BAD]]}, "spec.grid[1][0]"),
    ],
)
def test_an_image_at_a_named_path_is_judged(desk: Desk, path: str, spec: Any, place: str) -> None:
    file = desk.write("m.yaml", resource("Thing.example.com", spec))
    code, (one,) = rows(desk, "-f", file, "--image-path", f"Thing.example.com={path}")
    assert (code, one["state"], one["place"]) == (REFUSED, "Refused", f"Thing/web {place}")


def test_the_option_of_the_message_has_the_image_judged(desk: Desk) -> None:
    file = desk.write("m.yaml", resource("Thing.example.com", {"parts": [{"image": BAD}]}))
    _, (one,) = rows(desk, "-f", file)
    option, text = one["message"].partition("add ")[2].partition(", or")[0].split()
    assert states(desk, "-f", file, option, text.strip("'")) == (REFUSED, ["Refused"])


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("Thing; reboot #.example.com", {"image": BAD}), ("Thing.example.com", {"$(reboot)": {"image": BAD}})],
    ids=["in the kind", "in the path"],
)
def test_the_option_of_the_message_is_no_command_of_the_manifest(desk: Desk, kind: str, spec: Any) -> None:
    code, (one,) = rows(desk, "-f", desk.write("m.yaml", resource(kind, spec)))
    option = one["message"].partition("add --image-path ")[2].partition(" if ")[0]
    assert (code, shlex.split(option)) == (NOT_JUDGED, [f"{kind}="])


def test_a_path_without_image_is_not_judged(desk: Desk) -> None:
    """A typo in a path must not hide the image."""
    file = desk.write("m.yaml", resource("Thing.example.com", {"runsOn": BAD}))
    code, (one,) = rows(desk, "-f", file, "--image-path", "Thing.example.com=spec.runOn")
    assert (code, one["image"], one["place"]) == (NOT_JUDGED, None, "Thing/web")
    assert one["message"].startswith("no image at spec.runOn in this Thing.example.com")
    assert "(no image)" in desk.check("-f", file, "--image-path", "Thing.example.com=spec.runOn").out


def test_an_object_at_a_path_is_not_judged(desk: Desk) -> None:
    file = desk.write("m.yaml", resource("Thing.example.com", {"image": {"repository": GOOD, "tag": "v1"}}))
    code, found = rows(desk, "-f", file, "--image-path", "Thing.example.com=spec.image")
    assert (code, {one["state"] for one in found}) == (NOT_JUDGED, {"NotJudged"})
    assert found[0]["message"].startswith("expected an image reference, got dict")
    assert "in several fields" in found[1]["message"]


@pytest.mark.parametrize("text", ["$(params.image)", "{{inputs.parameters.image}}", "${IMAGE}"])
def test_a_reference_with_a_variable_is_not_judged(desk: Desk, text: str) -> None:
    file = desk.write("m.yaml", resource("Task.tekton.dev", {"steps": [{"image": text}]}))
    code, (one,) = rows(desk, "-f", file)
    assert (code, one["image"], one["state"]) == (NOT_JUDGED, text, "NotJudged")
    assert "variable" in one["message"]


def test_a_kind_of_another_group_is_not_the_known_one(desk: Desk) -> None:
    file = desk.write("m.yaml", resource("Rollout.example.com", TEMPLATE))
    assert states(desk, "-f", file) == (NOT_JUDGED, ["NotJudged"] * 4)


def test_a_resource_without_images_is_listed(desk: Desk) -> None:
    spec = {"tasks": [{"taskRef": {"name": "build"}}]}
    ended = desk.check(GOOD, "-f", desk.write("m.yaml", resource("Pipeline.tekton.dev", spec)))
    assert (ended.code, ended.last) == (ADMITTED, "objects without images: Pipeline (1)")


@pytest.mark.parametrize(
    "text", ["Thing.example.com", "=spec.image", "Thing.example.com=spec..image", "Thing=a[0]", "T=" + "a" * 4097]
)
def test_a_path_that_is_none_cannot_be_used(desk: Desk, text: str) -> None:
    ended = desk.check(GOOD, "--image-path", text)
    assert (ended.code, ended.out) == (2, "")
    assert "expected KIND.GROUP=PATH" in ended.err


@pytest.mark.parametrize("kind", ["Deployment.apps", "Pod", "CronJob.batch"])
def test_images_of_workloads_cannot_be_hidden(desk: Desk, kind: str) -> None:
    ended = desk.check(GOOD, "--image-path", f"{kind}=")
    assert (ended.code, ended.out) == (2, "")
    assert f"tidegate judges every image of a {kind}" in ended.err


def test_a_path_over_aliases_that_multiply_is_an_error(desk: Desk) -> None:
    file = desk.folder / "m.yaml"
    listed = ", ".join(["{}"] * 1000)
    text = f"spec: &a [{listed}]\n"
    for name in ("b", "c"):
        text += f"{name}: &{name} [{', '.join(['*' + chr(ord(name) - 1)] * 1000)}]\n"
    file.write_text(f"apiVersion: example.com/v1\nkind: Thing\n{text}")
    ended = desk.check("-f", file, "--image-path", "Thing.example.com=c[*][*][*].image")
    assert (ended.code, ended.out) == (2, "")
    assert "more than 200,000 fields" in ended.err
