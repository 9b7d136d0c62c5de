"""``tidegate posture --policy``: only what the policies demand of a repository is checked."""

import pytest

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.test_posture import CI, FAILED, GOOD, OWN, PASSED, REGISTRY, UNKNOWN, open_checks, report
from tests.simulator import World


@pytest.fixture(autouse=True)
def fast(desk: Desk) -> None:
    desk.configure(aws={"ratePerSecond": 2000.0})


def test_only_what_a_policy_demands_of_a_repository_is_checked(desk: Desk, world: World) -> None:
    world.add_repository("team/app", mutability="MUTABLE")
    world.add_repository("other/app", mutability="MUTABLE")
    spec = {
        "match": {"images": [{"account": OWN, "repositories": ["team/*"]}]},
        "repository": {"encryption": "KMS"},
    }
    ended = desk.posture(REGISTRY, "--policy", desk.write("p.yaml", policy("kms", **spec)), "-o", "json")
    assert ended.code == FAILED
    assert open_checks(ended)["team/app"] == {("encryption", "EncryptionNotConfigured")}
    assert open_checks(ended)["other/app"] == {("repository", "NotJudged")}
    (found,) = [one for one in report(ended)["registries"][0]["repositories"] if one["name"] == "team/app"]
    assert found["results"][0]["policy"] == "kms"


def test_who_may_push_is_that_of_the_policy(desk: Desk, world: World) -> None:
    world.add_repository("team/app", **GOOD)
    allowed, other = (
        desk.write(f"{name}.yaml", policy(name, repository={"push": {"restrictedTo": [arn]}}))
        for name, arn in (("ours", CI), ("others", f"arn:aws:iam::{OWN}:role/other"))
    )
    assert desk.posture(REGISTRY, "--policy", allowed).code == PASSED
    assert desk.posture(REGISTRY, "--policy", other).code == FAILED


def test_what_runs_must_be_known_where_a_policy_asks_for_it(desk: Desk, world: World) -> None:
    world.add_repository("team/app", **GOOD)
    file = desk.write("p.yaml", policy("keep", repository={"lifecycle": "KeepsRunningImages"}))
    ended = desk.posture(REGISTRY, "--policy", file)
    assert ended.code == UNKNOWN
    assert "it is not known which images run" in ended.out


def test_a_file_without_such_a_policy_is_refused(desk: Desk) -> None:
    file = desk.write("p.yaml", policy("tags", tags={"immutable": True}))
    ended = desk.posture(REGISTRY, "--policy", file)
    assert ended.code == UNKNOWN
    assert "has a section repository" in ended.err
