"""The demo as a person runs it: it ends well, and what it prints is what it says it shows."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.scenes import AFTER_ADMISSION, CHAPTERS, EXCEPTED, SCANS, TURNED_BAD, Chapter, Scene
from tests.demo.stage import Stage
from tests.e2e.conftest import Installation, require_programs
from tests.installed import prepare_node

ROOT = Path(__file__).parents[2]
DEMO_TIMEOUT_SECONDS = 800
pytestmark = pytest.mark.timeout(DEMO_TIMEOUT_SECONDS + 100)
SCENES = [(chapter, scene) for chapter in CHAPTERS for scene in chapter.scenes]


@pytest.fixture(scope="module")
def printed(pytestconfig: pytest.Config) -> str:
    """Run the demo to its end."""
    require_programs(pytestconfig)
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def part_of(printed: str, scene: Scene) -> str:
    """Return what was printed from the scene's title to the next."""
    found = re.search(rf"^== {re.escape(scene.title)}\n(.*?)^== ", printed, re.DOTALL | re.MULTILINE)
    assert found, f"no scene {scene.title!r} in:\n{printed}"
    return found[1]


@pytest.mark.parametrize(("chapter", "scene"), SCENES, ids=[scene.name for _, scene in SCENES])
def test_each_scene_comes_out_as_told(printed: str, chapter: Chapter, scene: Scene) -> None:
    text = part_of(printed, scene)
    assert f"$ kubectl apply -f {scene.name}.yaml" in text
    if not scene.expected:
        assert f"{scene.kind.lower()}" in text
        assert text.rstrip().endswith("created")
        return
    assert "denied the request" in text
    assert f" {scene.expected}: " in text
    assert f": {scene.image}\n" in text
    assert "To fix: " in text
    assert f"[policy {chapter.policy}]" in text
    assert "…" not in text, "a usual answer is not cut"


def test_policies_and_trust_stores_are_applied_as_files_and_ready(printed: str) -> None:
    for chapter in CHAPTERS:
        assert f"imagepolicy.tidegate.dev/{chapter.policy} condition met" in printed
        for name in chapter.trust_stores:
            assert f"truststore.tidegate.dev/{name} condition met" in printed


def test_nothing_of_the_machine_is_printed(printed: str) -> None:
    assert tempfile.gettempdir() not in printed
    assert str(ROOT) not in printed


def test_the_readme_shows_what_is_printed(printed: str) -> None:
    """Digests apart, which the compiler makes: the README breaks no line that kubectl does not break."""
    (shown,) = re.findall(r"^```console\n(== .*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    for scene in re.split(r"^(?=== )", shown, flags=re.MULTILINE)[1:]:
        assert plain(scene.strip()) in plain(printed)


def plain(text: str) -> str:
    """Return a text without digests."""
    return re.sub(r"sha256:[0-9a-f]+", "sha256:", text)


def test_what_was_admitted_runs_where_there_is_a_node(printed: str) -> None:
    (shown,) = re.findall(r"in the cluster now(.*?)^== ", printed, re.DOTALL | re.MULTILINE)
    admitted = [scene for _, scene in SCENES if not scene.expected]
    if prepare_node():
        assert shown.count(" Pending ") == len(admitted)
        assert "== No Pod will run: " in printed
    else:
        assert shown.count(" Running ") == len(admitted)


def test_an_image_that_turns_bad_is_shown_where_it_runs(printed: str) -> None:
    if prepare_node():
        assert TURNED_BAD.title not in printed
        return
    text = part_of(printed, TURNED_BAD)
    verdicts, events, report, refusal = (part.partition("\n")[2] for part in text.split("$ ")[1:])
    assert re.search(r"/team/good +Fail +true +VulnerabilitiesFound +2 +shop ", verdicts)
    assert "deployment/good " in events
    assert "shop/Deployment/good\n" in report
    assert "denied the request" in refusal
    text = part_of(printed, EXCEPTED)
    assert "imagepolicyexception.tidegate.dev/openssl-fix condition met" in text
    assert "excepted by exception openssl-fix until" in text


def test_every_scene_has_a_verdict(printed: str) -> None:
    verdicts = printed[printed.index("== The verdicts:") :]
    assert verdicts.count("  as expected ") == len(SCENES) + (0 if prepare_node() else len(AFTER_ADMISSION))
    assert "NOT AS EXPECTED" not in printed


@pytest.fixture
def stage(installation: Installation, tmp_path: Path) -> Iterator[Stage]:
    """Give a stage on the run's tidegate, and take the policy away again."""
    yield Stage(installation.cluster, installation.aws, tmp_path)
    installation.gate.delete_policy(SCANS.policy)


@pytest.mark.parametrize(
    "scene",
    [
        Scene(title="Admitted instead of refused", name="a", image=SCANS.scenes[0].image, expected="ScanPending"),
        Scene(title="Refused instead of admitted", name="b", image=SCANS.scenes[1].image),
        Scene(title="Refused for another reason", name="c", image=SCANS.scenes[1].image, expected="ScanPending"),
    ],
    ids=lambda scene: scene.title,
)
def test_another_outcome_than_told_is_noticed(stage: Stage, scene: Scene) -> None:
    """The demo would otherwise show anything and end well."""
    chapter = Chapter(title="One scene", namespace=f"demo-{scene.name}", policy=SCANS.policy, scenes=(scene,))
    assert stage.play(chapter) == {scene: False}
