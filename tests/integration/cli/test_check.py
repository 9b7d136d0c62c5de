"""``tidegate check``: images and manifests are judged as the cluster would, and the exit code says what came of it."""

import json
from typing import Any

import pytest

from tests.integration.cli.desk import Desk, policy, results
from tests.integration.gather.gate import image
from tests.simulator import Simulator, World
from tests.unit.cli.closed_output import run_unread
from tests.unit.cli.commands import run
from tests.unit.cli.reference_page import PAGE, examples
from tidegate.checks.result import Outcome
from tidegate.cli.check.outcome import ImageState
from tidegate.cli.root import EXIT_NO_READER

ADMITTED, REFUSED, UNKNOWN = 0, 1, 2
GOOD, BAD, NOT_THERE = image(), image("team/bad"), image("team/gone")
NO_CRITICAL: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}


@pytest.fixture(autouse=True)
def bad(world: World) -> None:
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")


def deployment(name: str, *images: str, namespace: str | None = None) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": text} for number, text in enumerate(images)]
    spec = {"selector": {}, "template": {"spec": {"containers": containers}}}
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_a_good_image_would_be_admitted(desk: Desk) -> None:
    ended = desk.check(GOOD)
    assert ended.code == ADMITTED
    assert ended.out == f"VERDICT  IMAGE\nALLOWED  {GOOD}\n\n1 allowed\n"


def test_a_bad_image_would_be_refused_with_what_the_cluster_says(desk: Desk) -> None:
    ended = desk.check(BAD, GOOD)
    assert ended.code == REFUSED
    assert (
        f"REFUSED  {BAD}\n           vulnerabilities VulnerabilitiesFound: 1 CRITICAL (allowed 0) [policy built-in-baseline]\n"
        "             CVE-2099-0001 CRITICAL" in ended.out
    )
    assert ended.last == "1 allowed, 1 refused"


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(desk: Desk, command: str, output: str) -> None:
    """Exit code 1 would say that the image is refused."""
    assert run_unread(command, GOOD, "-o", output, "--config", desk.config) == (EXIT_NO_READER, "")


def test_the_json_names_each_result(desk: Desk, world: World) -> None:
    ended = desk.check(BAD, "-o", "json")
    assert ended.code == REFUSED
    (one,) = json.loads(ended.out)
    assert (one["image"], one["place"], one["namespace"], one["allowed"]) == (BAD, "argument", "default", False)
    assert one["digest"] == world.image("team/bad", "v1").digest
    assert results(ended) == [("tags", "Pass", "Ok"), ("vulnerabilities", "Fail", "VulnerabilitiesFound")]


def test_the_reference_names_every_member_of_the_json(desk: Desk) -> None:
    page = PAGE.read_text().partition("## tidegate check")[2].partition("## tidegate explain")[0]
    (one,) = json.loads(desk.check(BAD, "-o", "json").out)
    (judged,), (scan,) = one.pop("policies"), one.pop("scans")
    (finding,) = scan["findings"]
    members = (*one, *judged, *judged["results"][0], *scan, *finding, *finding["packages"][0])
    nested = ("policies[]", "policies[].results[]", "scans[]", "scans[].findings[]")
    for name in (*members, *nested, *Outcome, *ImageState):
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("words", [words for words in examples() if words[0] in {"check", "explain"}], ids=" ".join)
def test_the_examples_of_the_help_run(
    desk: Desk, world: World, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    world.add_image("team/app", "1.4")
    monkeypatch.chdir(desk.folder)
    desk.write("policies.yaml", policy(**NO_CRITICAL))
    ended = run(*words, "--config", desk.config, stdin=json.dumps(deployment("web", GOOD)))
    assert ended.code == ADMITTED


def test_what_only_warns_is_admitted_with_its_warning(desk: Desk) -> None:
    file = desk.write("p.yaml", policy(validationActions=["Warn"], **NO_CRITICAL))
    ended = desk.check(BAD, "--policy", file)
    assert ended.code == ADMITTED
    assert f"WARNED   {BAD}\n         vulnerabilities VulnerabilitiesFound" in ended.out
    assert ended.last == "1 warned"


def test_an_outage_is_not_known_and_neither_admitted_nor_refused(desk: Desk, sim: Simulator, impatient: None) -> None:
    sim.inject("server_error", service="ecr")
    ended = desk.check(GOOD)
    assert ended.code == UNKNOWN
    assert f"UNKNOWN  {GOOD}" in ended.out
    assert ended.last == "1 unknown"


def test_a_refusal_weighs_more_than_what_is_not_known(desk: Desk, sim: Simulator, impatient: None) -> None:
    file = desk.write("p.yaml", policy(registries=[{"account": "111122223333"}], **NO_CRITICAL))
    sim.inject("server_error", service="ecr")
    assert desk.check(GOOD, "ghcr.io/acme/app:v1", "--policy", file).code == REFUSED


# Manifests


def test_every_image_of_manifests_is_judged_at_its_place(desk: Desk) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    file = desk.write("m.yaml", deployment("web", GOOD, BAD), None, service, {"kind": "Service"})
    ended = desk.check("-f", file)
    assert ended.code == REFUSED
    assert f"ALLOWED  {GOOD}\n         Deployment/web spec.template.spec.containers[0].image" in ended.out
    assert "         Deployment/web spec.template.spec.containers[1].image" in ended.out
    assert ended.last == "objects without images: Service (2)"


def test_manifests_come_from_standard_input_too(desk: Desk) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [deployment("web", GOOD)]}
    ended = run("check", "-f", "-", "--config", desk.config, stdin=json.dumps(listed))
    assert (ended.code, ended.last) == (ADMITTED, "1 allowed")


def test_the_namespace_of_a_manifest_chooses_the_policies(desk: Desk) -> None:
    policies = desk.write("p.yaml", policy(match={"namespaces": ["shop"]}, **NO_CRITICAL))
    own, without = deployment("web", BAD, namespace="shop"), deployment("web", BAD)
    assert desk.check("-f", desk.write("a.yaml", own), "--policy", policies).code == REFUSED
    assert desk.check("-f", desk.write("b.yaml", without), "--policy", policies).code == UNKNOWN
    assert desk.check("-f", desk.write("b.yaml", without), "--policy", policies, "--namespace", "shop").code == REFUSED


def test_manifests_without_images_are_no_success(desk: Desk) -> None:
    file = desk.write("m.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": None})
    ended = desk.check("-f", file)
    assert ended.code == UNKNOWN
    assert ended.out.splitlines() == [
        "no images found",
        "objects without images: Service (1)",
    ]


def test_many_images_are_judged_side_by_side(desk: Desk, sim: Simulator) -> None:
    ended = desk.check(*[GOOD] * 20)
    assert (ended.code, ended.last) == (ADMITTED, "20 allowed")
    assert sim.calls(operation="DescribeImages") == 1


def test_a_terminal_shows_how_far_it_is_and_clears_that_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    ended = desk.check(*[GOOD] * 20)
    assert ended.code == ADMITTED
    assert "judging images" in ended.err
    assert "judging images" not in ended.out
    assert not desk.check(GOOD).err


def test_what_was_chosen_by_others_is_printed_as_it_is(desk: Desk) -> None:
    """Brackets are no markup, and an image reference cannot colour the terminal."""
    assert "REFUSED  [red]x[/red]" in desk.check("[red]x[/red]").out


@pytest.mark.parametrize("output", [[], ["-o", "json"]], ids=["text", "json"])
def test_a_manifest_writes_no_line_of_its_own_and_commands_no_terminal(desk: Desk, output: list[str]) -> None:
    """Who writes a manifest could show a refusal as an admission otherwise."""
    trick = "\x1b[1A\x1b[2K\nALLOWED  example.com/good:1"
    service = {"apiVersion": "v1", "kind": f"Service{trick}"}
    file = desk.write("m.yaml", deployment(f"web{trick}", f"evil{trick}"), service)
    ended = desk.check("-f", file, *output)
    assert ended.code == REFUSED
    assert "\x1b" not in ended.out + ended.err
    assert not any(line.startswith("ALLOWED") for line in ended.out.splitlines())


def test_an_error_about_a_manifest_commands_no_terminal(desk: Desk) -> None:
    ended = desk.check("-f", desk.write("m.yaml", deployment("web\x1b[1A\x1b[2K\nALLOWED  x")))
    assert ended.code == UNKNOWN
    assert "\x1b" not in ended.err
    assert "\nALLOWED" not in ended.err


# What cannot be used

WRONG: dict[str, tuple[str, str]] = {
    "no YAML": ("kind: [", "is not YAML"),
    "no object": ("- a\n", "expected Kubernetes objects with a kind, got list"),
    "no kind": ("apiVersion: v1\n", "expected Kubernetes objects with a kind, got dict"),
    "a workload of the wrong shape": ("kind: Deployment\napiVersion: apps/v1\nspec: 5\n", "m.yaml: Deployment/?: "),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_manifests_that_are_none_cannot_be_used(desk: Desk, sim: Simulator, wrong: str) -> None:
    text, words = WRONG[wrong]
    file = desk.folder / "m.yaml"
    file.write_text(text)
    ended = desk.check("-f", file)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert sim.calls() == 0


def test_what_is_too_large_cannot_be_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.cli.yaml_files.MAX_FILE_BYTES", 10)
    assert "m.yaml is larger than 10 characters" in desk.check("-f", desk.write("m.yaml", deployment("web", GOOD))).err


def test_too_many_objects_cannot_be_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.cli.documents.MAX_DOCUMENTS", 1)
    file = desk.write("m.yaml", deployment("web", GOOD), deployment("api", GOOD))
    assert "m.yaml has more than 1 objects" in desk.check("-f", file).err


@pytest.mark.parametrize(
    "text",
    [
        "kind: List\nitems: &a [{kind: List, items: *a}]\n",
        "kind: List\nitems:\n- &a0 {kind: List, items: []}\n"
        + "".join(f"- &a{n} {{kind: List, items: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
    ],
    ids=["a list that contains itself", "lists that multiply"],
)
def test_lists_without_end_cannot_be_used(desk: Desk, text: str) -> None:
    file = desk.folder / "m.yaml"
    file.write_text(text)
    ended = desk.check("-f", file)
    assert (ended.code, ended.out) == (2, "")
    assert "m.yaml has more than 20000 objects" in ended.err


def test_a_file_that_is_no_text_cannot_be_used(desk: Desk) -> None:
    file = desk.folder / "m.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    assert "m.yaml cannot be read" in desk.check("-f", file).err


def test_a_policy_that_cannot_be_used_is_explained_by_field(desk: Desk) -> None:
    ended = desk.check(GOOD, "--policy", desk.write("p.yaml", policy(tags={"immutabel": True})))
    assert (ended.code, ended.out) == (2, "")
    assert "p.yaml: ImagePolicy signed is invalid:\n  spec.tags" in ended.err


def test_a_file_without_policy_is_no_policy(desk: Desk) -> None:
    ended = desk.check(GOOD, "--policy", desk.write("p.yaml", {"kind": "ConfigMap"}))
    assert (ended.code, "no ImagePolicy in" in ended.err) == (2, True)


def test_a_configuration_that_cannot_be_used_is_explained(desk: Desk) -> None:
    file = desk.write("c.yaml", {"aws": {"regoin": "x"}})
    ended = run("check", GOOD, "--config", file)
    assert (ended.code, ended.err.startswith("tidegate: configuration: ")) == (2, True)


def test_something_must_be_judged(desk: Desk) -> None:
    assert "name at least one IMAGE or -f FILE" in desk.check().err
