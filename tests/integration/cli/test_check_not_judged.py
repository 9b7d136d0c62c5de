"""``tidegate check`` tells three states apart: allowed, only warned or audited, and not judged."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.signers import OWN, sign_by_notation, signed_by, trust_stores
from tests.integration.cli.test_check import BAD, GOOD, NO_CRITICAL, deployment
from tests.simulator import Simulator, World
from tests.simulator.pki.certificates import authority, issue
from tidegate.cli.check.outcome import ImageState

ADMITTED, REFUSED, NOT_JUDGED = 0, 1, 2
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/check.schema.json").read_text())
SHOP_ONLY: dict[str, Any] = {"match": {"namespaces": ["shop"]}} | NO_CRITICAL


@pytest.fixture(autouse=True)
def bad(world: World) -> None:
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")


def rollout(*images: str, kind: str = "Rollout", api_version: str = "example.com/v1") -> dict[str, Any]:
    return deployment("web", *images) | {"apiVersion": api_version, "kind": kind}


def rows(desk: Desk, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the JSON, which the schema describes."""
    ended = desk.check(*arguments, "-o", "json")
    found: list[dict[str, Any]] = json.loads(ended.out)
    jsonschema.validate(found, SCHEMA)
    return ended.code, found


def states(desk: Desk, *arguments: object) -> tuple[int, list[str]]:
    code, found = rows(desk, *arguments)
    return code, [one["state"] for one in found]


# No policy matches


def test_an_image_that_no_policy_matches_is_not_judged(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(**SHOP_ONLY))
    ended = desk.check("-f", desk.write("m.yaml", deployment("web", BAD)), "--policy", policies)
    assert ended.code == NOT_JUDGED
    assert "ALLOWED" not in ended.out
    assert f"NOT JUDGED  {BAD}\n            Deployment/web spec.template" in ended.out
    assert "no policy matches the namespace default" in ended.out
    assert ended.last == "1 not judged"


def test_the_json_does_not_allow_what_no_policy_matches(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(**SHOP_ONLY))
    code, (one,) = rows(desk, BAD, "--policy", policies)
    assert code == NOT_JUDGED
    assert (one["state"], one["allowed"], one["outcome"], one["policies"]) == ("NotJudged", False, None, [])
    assert one["message"].startswith("no policy matches the namespace default")


def test_an_image_that_no_policy_of_the_namespace_matches_is_not_judged(desk: Desk) -> None:
    other = {"images": [{"account": "111122223333", "repositories": ["other/**"]}]}
    policies = desk.write("p.yaml", policy(match=other, **NO_CRITICAL))
    code, (one,) = rows(desk, BAD, "--policy", policies)
    assert (code, one["state"]) == (NOT_JUDGED, "NotJudged")
    assert one["message"].startswith("no policy of the namespace default matches the image")


def test_one_image_that_is_not_judged_is_enough(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(**SHOP_ONLY))
    files = ("-f", desk.write("m.yaml", deployment("web", GOOD, namespace="shop"), deployment("api", GOOD)))
    assert states(desk, *files, "--policy", policies) == (NOT_JUDGED, ["Allowed", "NotJudged"])


def test_a_refusal_weighs_more_than_an_image_that_is_not_judged(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(**SHOP_ONLY))
    files = ("-f", desk.write("m.yaml", deployment("web", BAD, namespace="shop"), deployment("api", GOOD)))
    code, found = states(desk, *files, "--policy", policies, "--allow-not-judged")
    assert (code, found) == (REFUSED, ["Refused", "NotJudged"])


def test_what_is_not_judged_may_be_allowed(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(**SHOP_ONLY))
    assert states(desk, BAD, "--policy", policies, "--allow-not-judged") == (ADMITTED, ["NotJudged"])


def test_an_outage_is_never_allowed_as_not_judged(desk: Desk, sim: Simulator, impatient: None) -> None:
    sim.inject("server_error", service="ecr")
    assert states(desk, GOOD, "--allow-not-judged", "--strict") == (NOT_JUDGED, ["Unknown"])


# Nothing to judge


def test_nothing_to_judge_is_a_state_of_the_json(desk: Desk) -> None:
    """An empty array would pass a test that every image is allowed."""
    file = desk.write("m.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}})
    code, (one,) = rows(desk, "-f", file)
    assert (code, one["image"], one["state"], one["allowed"]) == (NOT_JUDGED, None, "NotJudged", False)
    assert one["message"] == "no images found"
    assert "Service (1)" in desk.check("-f", file, "-o", "json").err
    assert desk.check("-f", file, "--allow-not-judged").code == ADMITTED


# Warned and audited


@pytest.mark.parametrize(("action", "state"), [("Warn", ImageState.WARNED), ("Audit", ImageState.AUDITED)])
def test_a_failure_that_does_not_deny_is_told_apart(desk: Desk, action: str, state: ImageState) -> None:
    policies = desk.write("p.yaml", policy(validationActions=[action], **NO_CRITICAL))
    assert states(desk, BAD, "--policy", policies) == (ADMITTED, [state.value])
    assert states(desk, BAD, "--policy", policies, "--strict") == (REFUSED, [state.value])
    assert states(desk, GOOD, "--policy", policies, "--strict") == (ADMITTED, ["Allowed"])
    ended = desk.check(BAD, "--policy", policies)
    assert "VulnerabilitiesFound: 1 CRITICAL" in ended.out
    assert ended.last == f"1 {state.value.lower()}"


def test_a_tolerated_outage_is_no_failure_but_not_known(desk: Desk, sim: Simulator, impatient: None) -> None:
    sim.inject("server_error", service="ecr")
    policies = desk.write("p.yaml", policy(onUndetermined="Allow", **NO_CRITICAL))
    assert states(desk, GOOD, "--policy", policies) == (ADMITTED, ["Warned"])
    assert states(desk, GOOD, "--policy", policies, "--strict") == (NOT_JUDGED, ["Warned"])


def test_a_signature_failure_that_is_only_logged_is_a_failure_if_strict(desk: Desk, world: World) -> None:
    sign_by_notation(world, issue("Team", authority("Stranger")))
    logged = {**OWN, "notation": {**OWN["notation"], "level": "audit"}}
    policies = desk.write("p.yaml", policy(**signed_by(logged)), *trust_stores())
    assert states(desk, GOOD, "--policy", policies) == (ADMITTED, ["Warned"])
    assert states(desk, GOOD, "--policy", policies, "--strict") == (REFUSED, ["Warned"])


# Kinds that are no workloads of Kubernetes


def test_a_workload_of_an_unknown_version_is_not_judged(desk: Desk) -> None:
    code, (one,) = rows(desk, "-f", desk.write("m.yaml", rollout(BAD, kind="Deployment", api_version="apps/v1beta1")))
    assert (code, one["state"]) == (NOT_JUDGED, "NotJudged")
    assert one["message"] == "tidegate does not know this API version of a Deployment.apps. To fix: use the version v1"


def test_images_of_an_unknown_kind_are_not_judged(desk: Desk) -> None:
    file = desk.write("m.yaml", deployment("api", GOOD), rollout(BAD))
    code, (api, web) = rows(desk, "-f", file)
    assert (code, api["state"], web["state"]) == (NOT_JUDGED, "Allowed", "NotJudged")
    assert (web["image"], web["place"]) == (BAD, "Rollout/web spec.template.spec.containers[0].image")
    assert "--image-path 'Rollout.example.com=spec.template.spec.containers[*].image'" in web["message"]
    assert "NOT JUDGED  " + BAD in desk.check("-f", file).out


FIELDS: dict[str, Any] = {
    "spec.image": {"image": "a"},
    "spec.baseImage": {"baseImage": "a"},
    "spec.imageName": {"imageName": "a"},
    "spec.image.repository": {"image": {"repository": "a", "tag": "v1"}},
    "spec.image.reference": {"image": {"reference": "a"}},
    "spec.images[0]": {"images": ["a"]},
    "spec.parts[0].x.image": {"parts": [{"x": {"image": "a"}}]},
}


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_that_looks_like_an_image_is_found(desk: Desk, path: str) -> None:
    file = desk.write("m.yaml", {"apiVersion": "example.com/v1", "kind": "Thing", "spec": FIELDS[path]})
    code, (one,) = rows(desk, "-f", file)
    assert (code, one["image"], one["place"]) == (NOT_JUDGED, "a", f"Thing/? {path}")


NO_IMAGES: dict[str, Any] = {
    "a ConfigMap": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"image": "a"}},
    "a Secret": {"apiVersion": "v1", "kind": "Secret", "stringData": {"image": "a"}},
    "status and metadata": {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"labels": {"image": "a"}},
        "status": {"image": "a"},
    },
    "other fields": {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "spec": {"imagePullPolicy": "Always", "image": "", "images": [{"name": "a"}]},
    },
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_other_fields_are_no_images(desk: Desk, case: str) -> None:
    file = desk.write("m.yaml", deployment("api", GOOD), NO_IMAGES[case])
    assert states(desk, "-f", file) == (ADMITTED, ["Allowed"])


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: example.com/v1\nkind: Thing\nspec: &a {b: *a}\n",
        "apiVersion: example.com/v1\nkind: Thing\nspec:\n  a0: &a0 [x, x]\n"
        + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
        f"apiVersion: example.com/v1\nkind: Thing\nspec: {{? {'k' * 5000} : a}}\n",
    ],
    ids=["an object that contains itself", "aliases that multiply", "a long key"],
)
def test_an_object_that_cannot_be_searched_is_an_error(desk: Desk, text: str) -> None:
    file = desk.folder / "m.yaml"
    file.write_text(text)
    ended = desk.check("-f", file)
    assert (ended.code, ended.out) == (2, "")
    assert "m.yaml: Thing/?: " in ended.err


# Namespaces


def test_a_namespace_that_is_no_text_is_an_error(desk: Desk) -> None:
    manifest = deployment("web", GOOD)
    manifest["metadata"]["namespace"] = 5
    ended = desk.check("-f", desk.write("m.yaml", manifest))
    assert (ended.code, ended.out) == (2, "")
    assert "m.yaml: Deployment/web: metadata.namespace: expected a text, got int" in ended.err


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def selecting(tier: str) -> dict[str, Any]:
    return policy(match={"namespaceSelector": {"matchLabels": {"tier": tier}}}, **NO_CRITICAL)


@pytest.mark.parametrize("option", ["--namespaces", "--policy", "-f"])
def test_labels_of_namespaces_come_from_files(desk: Desk, option: str) -> None:
    policies = desk.write("p.yaml", selecting("prod"))
    for tier, wanted in (("prod", (REFUSED, ["Refused"])), ("dev", (NOT_JUDGED, ["NotJudged"]))):
        file = desk.write("n.yaml", {"apiVersion": "v1", "kind": "List", "items": [namespace("shop", tier=tier)]})
        manifest = desk.write("m.yaml", deployment("web", BAD, namespace="shop"))
        assert states(desk, "-f", manifest, "--policy", policies, option, file) == wanted


def test_a_selector_matches_a_namespace_without_known_labels(desk: Desk) -> None:
    policies = desk.write("p.yaml", selecting("prod"), namespace("other", tier="dev"))
    assert states(desk, BAD, "--policy", policies, "--namespace", "shop") == (REFUSED, ["Refused"])


def test_a_manifest_cannot_choose_other_labels_than_the_platform_team(desk: Desk) -> None:
    policies = desk.write("p.yaml", selecting("prod"))
    namespaces = desk.write("n.yaml", namespace("shop", tier="prod"))
    manifest = desk.write("m.yaml", namespace("shop", tier="dev"), deployment("web", BAD, namespace="shop"))
    assert states(desk, "-f", manifest, "--policy", policies, "--namespaces", namespaces) == (REFUSED, ["Refused"])
    together = desk.write("both.yaml", selecting("prod"), namespace("shop", tier="prod"))
    assert states(desk, "-f", manifest, "--policy", together) == (REFUSED, ["Refused"])


@pytest.mark.parametrize(
    "metadata", [None, {"labels": {}}, {"name": "shop", "labels": {"a": 1}}, {"name": "shop", "labels": []}]
)
def test_a_namespace_that_is_none_cannot_be_used(desk: Desk, metadata: Any) -> None:
    file = desk.write("n.yaml", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    ended = desk.check(GOOD, "--namespaces", file)
    assert (ended.code, ended.out) == (2, "")
    assert "n.yaml: Namespace " in ended.err
