"""``tidegate check`` judges Compose files, Dockerfiles and folders as it judges manifests."""

from pathlib import Path

import pytest

from tests.integration.cli.desk import Desk
from tests.integration.cli.test_check import BAD, GOOD, NO_CRITICAL, deployment
from tests.integration.cli.test_check_not_judged import rows
from tests.simulator import World
from tests.unit.cli.commands import run

ADMITTED, REFUSED, NOT_JUDGED = 0, 1, 2
REPOSITORY, _, TAG = GOOD.rpartition(":")


@pytest.fixture(autouse=True)
def repository(desk: Desk, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with manifests, a Compose file and a Dockerfile, in which the commands run."""
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL")
    monkeypatch.chdir(desk.folder)
    Path("k/sub").mkdir(parents=True)
    desk.write("k/web.yaml", deployment("web", GOOD))
    desk.write("k/sub/api.yaml", deployment("api", BAD))
    Path("Dockerfile").write_text(
        f"ARG TAG=v1\nFROM {REPOSITORY}:${{TAG}} AS build\nFROM scratch\nCOPY --from=build / /\n"
    )
    desk.write("compose.yaml", {"services": {"web": {"image": GOOD}, "api": {"image": BAD}}})


def test_a_folder(desk: Desk) -> None:
    code, found = rows(desk, "-f", "k")
    states = {one["file"]: one["state"] for one in found}
    assert (code, states) == (REFUSED, {"k/web.yaml": "Allowed", "k/sub/api.yaml": "Refused"})
    ended = desk.check("-f", "k", "--exclude", "sub")
    assert ended.code == ADMITTED
    assert ended.out.splitlines()[-2:] == ["1 allowed", "files and folders left out by --exclude: 1"]
    assert "Deployment/web spec.template.spec.containers[0].image (k/web.yaml:" in ended.out


@pytest.mark.parametrize("arguments", [("-f", "compose.yaml"), ("--compose", "compose.yaml")])
def test_a_compose_file(desk: Desk, arguments: tuple[str, str]) -> None:
    code, found = rows(desk, *arguments)
    assert (code, [one["state"] for one in found]) == (REFUSED, ["Refused", "Allowed"])
    assert found[1]["place"] == "Compose services.web.image"


def test_a_compose_file_on_standard_input(desk: Desk) -> None:
    ended = run("check", "-f", "-", "--config", desk.config, stdin=Path("compose.yaml").read_text())
    assert (ended.code, ended.last) == (REFUSED, "1 allowed, 1 refused")


@pytest.mark.parametrize("arguments", [("-f", "Dockerfile"), ("--dockerfile", "Dockerfile")])
def test_a_dockerfile(desk: Desk, arguments: tuple[str, str]) -> None:
    code, (one,) = rows(desk, *arguments)
    assert (code, one["image"], one["line"], one["place"]) == (ADMITTED, GOOD, 2, "Dockerfile stage build FROM")
    code, (one,) = rows(desk, *arguments, "--build-arg", "TAG=v2")
    assert (code, one["image"], one["state"]) == (REFUSED, f"{REPOSITORY}:v2", "Refused")


def test_a_dockerfile_with_a_variable_without_a_value_is_not_judged(desk: Desk) -> None:
    Path("Dockerfile").write_text("ARG TAG\nFROM app:$TAG\n")
    ended = desk.check("-f", "Dockerfile", GOOD)
    assert (ended.code, ended.last) == (NOT_JUDGED, "1 allowed, 1 not judged")
    assert "To fix: add --build-arg NAME=VALUE" in ended.out


def test_a_dockerfile_on_standard_input(desk: Desk) -> None:
    ended = run("check", "--dockerfile", "-", "--config", desk.config, stdin=f"FROM {GOOD}\n")
    assert (ended.code, ended.last) == (ADMITTED, "1 allowed")


@pytest.mark.parametrize("text", ["TAG", "=v1", ""])
def test_a_build_argument_that_is_none_cannot_be_used(desk: Desk, text: str) -> None:
    ended = desk.check("-f", "Dockerfile", "--build-arg", text)
    assert (ended.code, ended.out, "expected NAME=VALUE" in ended.err) == (NOT_JUDGED, "", True)


def test_policies_in_the_folder_are_no_images(desk: Desk) -> None:
    desk.write("k/policy.yaml", {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "spec": NO_CRITICAL})
    ended = desk.check("-f", "k", "--exclude", "sub")
    assert (ended.code, ended.last) == (ADMITTED, "objects without images: ImagePolicy (1)")
