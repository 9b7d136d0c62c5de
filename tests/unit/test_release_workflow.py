"""The release workflow: actions are pinned by commit, rights are few, and the documented policy accepts who signs."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guides import GUIDES, TESTS, blocks
from tidegate import __version__
from tidegate.policy.parse import parse_policy
from tidegate.policy.signatures import KeylessAuthority

PATH = TESTS.parent / ".github" / "workflows" / "release.yml"
TEXT = PATH.read_text()
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def test_every_action_is_pinned_by_its_commit_and_names_its_version():
    used = re.findall(r"uses: (.*)", TEXT)
    assert len(used) == len([step for step in STEPS if "uses" in step]) > 0
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_a_job_has_the_rights_that_it_needs_and_no_others():
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "test": {"contents": "read"},
        "image": {"contents": "read", "packages": "write"},
        "publish": {"contents": "write", "packages": "write", "id-token": "write"},
    }
    assert "secrets." not in TEXT


def test_nothing_is_published_that_was_not_tested():
    assert JOBS["image"]["needs"] == "test"
    assert JOBS["publish"]["needs"] == ["test", "image"]


def test_the_image_is_built_for_both_platforms_with_sbom_and_provenance():
    platforms = {one["platform"] for one in JOBS["image"]["strategy"]["matrix"]["include"]}
    assert platforms == {"linux/amd64", "linux/arm64"}
    assert "--sbom=true --provenance=mode=max" in TEXT


def test_the_image_the_chart_and_the_wheel_are_signed_without_a_key():
    assert len(re.findall(r"cosign sign(?:-blob)? --yes", TEXT)) == 3
    assert "--key" not in TEXT


@pytest.mark.parametrize("step", [step for step in STEPS if "run" in step], ids=lambda step: step["name"])
def test_a_script_is_valid_and_holds_no_expression(step: dict[str, Any]):
    """An expression within a script is a way to inject commands by the name of a branch or tag."""
    assert "${{" not in step["run"]
    done = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("tag", "fits"), [(f"v{__version__}", True), ("v99.0.0", False)])
def test_a_tag_must_be_the_version_of_package_and_chart(tag: str, fits: bool, tmp_path: Path):
    (script,) = [step["run"] for step in STEPS if step.get("id") == "version"]
    output = tmp_path / "output"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=TESTS.parent,
        env={"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag, "GITHUB_OUTPUT": str(output)},
        check=False,
    )
    assert (done.returncode == 0) is fits
    assert output.exists() is fits


@pytest.mark.parametrize(
    ("subject", "accepted"),
    [
        ("https://github.com/OWNER/tidegate/.github/workflows/release.yml@refs/tags/v0.1.0", True),
        ("https://github.com/OWNER/tidegate/.github/workflows/release.yml@refs/heads/main", False),
        ("https://github.com/OWNER/tidegate/.github/workflows/other.yml@refs/tags/v0.1.0", False),
        ("https://github.com/mallory/tidegate/.github/workflows/release.yml@refs/tags/v0.1.0", False),
        ("https://github.com/OWNER/tidegate/.github/workflows/release.yml@refs/tags/v0.1.0-x", False),
    ],
)
def test_the_documented_policy_accepts_this_workflow_and_no_other(subject: str, accepted: bool):
    (block,) = [one for one in blocks(GUIDES / "verify-tidegate.md") if one.language == "yaml"]
    policy = parse_policy(list(yaml.safe_load_all(block.text))[1])
    assert policy.signatures
    (authority,) = policy.signatures.any_of
    assert isinstance(authority, KeylessAuthority)
    (identity,) = authority.identities
    assert identity.matches(issuer="https://token.actions.githubusercontent.com", subject=subject) is accepted
