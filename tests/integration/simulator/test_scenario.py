"""Scenarios build the world that they describe, and say where they are wrong."""

from datetime import UTC, datetime

import pytest
import yaml

from tests.simulator.clock import Clock
from tests.simulator.scenario import DEMO, ScenarioError, build, load


def scan(world, name, image="v1", **where):
    state = world.image(name, image, **where).scan(world.clock.now())
    return state.coverage and state.coverage.reason, [each.severity for each in state.visible_findings()]


@pytest.fixture(scope="module")
def demo():
    return load(DEMO)


@pytest.mark.parametrize(
    ("name", "reason", "severities"),
    [
        ("team/good", "SUCCESSFUL", ["MEDIUM"]),
        ("team/critical", "SUCCESSFUL", ["CRITICAL", "HIGH", "CRITICAL"]),
        ("team/unscanned", None, []),
        ("team/pending", "PENDING_INITIAL_SCAN", []),
        ("team/mutable", "SUCCESSFUL", []),
        ("team/expired", "SCAN_ELIGIBILITY_EXPIRED", ["HIGH"]),
        ("team/archived", "IMAGE_ARCHIVED", []),
    ],
)
def test_the_demo_has_an_image_of_each_kind(demo, name, reason, severities):
    assert scan(demo, name) == (reason, severities)


def test_the_demos_index_is_bad_on_arm64_only(demo):
    children = [
        each for each in demo.repository("team/multiarch").images.values() if each.scan(demo.clock.now()).coverage
    ]
    found = {each.manifest.architecture: scan(demo, "team/multiarch", each.digest)[1] for each in children}
    assert found == {"amd64": [], "arm64": ["CRITICAL"]}


def test_the_demos_tags_move_where_they_should(demo):
    assert demo.repository("team/mutable").mutability == "MUTABLE"
    assert demo.repository("team/good").mutability == "IMMUTABLE"
    assert demo.repository("team/exclusions").exclusions == ("dev-*", "latest")


def test_the_demos_other_account(demo):
    assert scan(demo, "shared/base", account="444455556666") == ("SUCCESSFUL", [])


@pytest.mark.parametrize(
    ("name", "image", "signatures"),
    [
        ("team/good", "v1", 0),
        ("team/signed", "v1", 1),
        ("team/signed", "v2", 1),
        ("team/revoked", "v1", 1),
        ("team/signing", "v1", 0),
        ("team/keyless", "v1", 1),
        ("team/stranger", "v1", 1),
    ],
)
def test_the_demos_signatures_stand_beside_their_images(demo, name, image, signatures):
    subject = demo.image(name, image).digest
    listed = [each for each in demo.repository(name).images.values() if each.manifest.subject == subject]
    assert len(listed) == signatures


def test_a_pending_scan_ends_when_told():
    world = load(DEMO, clock=Clock(datetime.now(UTC)))
    world.clock.advance(599)
    assert scan(world, "team/pending")[0] == "PENDING_INITIAL_SCAN"
    world.clock.advance(2)
    assert scan(world, "team/pending")[0] == "SUCCESSFUL"


def test_a_scenario_has_the_same_digests_every_time():
    names = ("team/good", "team/multiarch", "team/pending")
    first, second = load(DEMO), load(DEMO)
    assert [first.image(name, "v1").digest for name in names] == [second.image(name, "v1").digest for name in names]


def test_all_members_of_a_scenario_reach_the_world():
    document = yaml.safe_load("""
    account: "555566667777"
    region: us-east-1
    accounts:
      - {id: "444455556666", roles: {careful: shibboleth}, scanType: BASIC, inspector: DISABLED, members: ["1"]}
    registries:
      - {account: "444455556666", region: eu-west-1, scanType: BASIC, rules: [{frequency: SCAN_ON_PUSH, filters: [a]}],
         pullThrough: [{prefix: quay, upstream: quay, upstreamUrl: quay.io, upstreamPrefix: up, miss: UpstreamUnavailable}],
         policy: {Version: "2012-10-17"}, policyScope: V1, signing: [{profile: release, filters: ["a/*"]}],
         replication: [{destinations: [{region: us-east-1}, {region: us-east-2, account: "1"}], prefixes: [a]}]}
    repositories:
      - name: a/b
        account: "444455556666"
        region: eu-west-1
        mutability: MUTABLE_WITH_EXCLUSION
        exclusions: ["v*"]
        readers: ["555566667777"]
        policy: {Version: "2012-10-17"}
        lifecycle: {rules: []}
        encryption: KMS
        kmsKey: k1
        images:
          - {tags: [x, y], content: seed, platform: linux/arm64, pushedAt: 2025-01-01T00:00:00Z, inUse: 3,
             pulledAt: 2025-01-02T00:00:00Z,
             basic: {status: FAILED, description: why}, findings: [{id: CVE-1, severity: LOW, path: /x, manager: PIP}]}
          - {tags: [z], scanned: false, coverage: null, basic: null}
    """)
    world = build(document)
    where = {"account": "444455556666", "region": "eu-west-1"}
    assert (world.account, world.region) == ("555566667777", "us-east-1")
    assert world.accounts["444455556666"].roles == {"careful": "shibboleth"}
    assert world.accounts["444455556666"].inspector == "DISABLED"
    registry = world.registry(**where)
    assert (registry.scan_type, registry.frequency("a")[0]) == ("BASIC", "SCAN_ON_PUSH")
    assert (registry.pull_through[0].miss, registry.pull_through[0].upstream_url) == ("UpstreamUnavailable", "quay.io")
    assert registry.pull_through[0].upstream_prefix == "up"
    assert (registry.policy, registry.policy_scope) == ('{"Version":"2012-10-17"}', "V1")
    assert registry.signing_rules[0].profile_arn.endswith(":/signing-profiles/release")
    assert registry.signing_rules[0].filters == ("a/*",)
    assert registry.replication[0].destinations == (("444455556666", "us-east-1"), ("1", "us-east-2"))
    assert registry.replication[0].prefixes == ("a",)
    repository = world.repository("a/b", **where)
    assert (repository.encryption, repository.kms_key) == ("KMS", "k1")
    assert (repository.mutability, repository.exclusions) == ("MUTABLE_WITH_EXCLUSION", ("v*",))
    assert repository.readers == {"555566667777"}
    assert (repository.policy, repository.lifecycle) == ('{"Version":"2012-10-17"}', '{"rules":[]}')
    image = world.image("a/b", "y", **where)
    assert (image.tags, image.in_use, image.manifest.architecture) == (["x", "y"], 3, "arm64")
    assert (image.pushed_at, image.pulled_at) == (1735689600, 1735689600 + 86400)
    state = image.scan(world.clock.now())
    assert state.basic is not None
    assert (state.basic.status, state.findings[0].packages[0].path) == ("FAILED", "/x")
    assert world.image("a/b", "z", **where).scan(world.clock.now()).basic is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("colour: red", "unknown field `colour`", id="an unknown key at the top"),
        pytest.param(
            "repositories: [{name: a/b, images: [{tag: v1}]}]",
            r"unknown field `tag`.*repositories\[0\]\.images\[0\]",
            id="an unknown key within",
        ),
        pytest.param("repositories: [{images: []}]", "missing required field `name`", id="a missing key"),
        pytest.param("accounts: [{id: 444455556666}]", r"Expected `str`, got `int`.*accounts", id="a number for an id"),
        pytest.param(
            "repositories: [{name: a/b, account: '9'}]", r"unknown '9'.*repositories\[0\]", id="no such account"
        ),
        pytest.param(
            "repositories: [{name: a/b, images: [{pushedAt: soon}]}]", r"soon.*repositories\[0\]", id="no moment"
        ),
    ],
)
def test_a_wrong_scenario_says_where(text, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        build(yaml.safe_load(text))


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    with pytest.raises(ScenarioError, match=r"bad\.yaml"):
        load(path)
