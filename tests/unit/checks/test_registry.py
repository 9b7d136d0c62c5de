"""The check ``registries``: one of the scopes contains the reference by its parsed parts, or the image is refused."""

import pytest

from tests.unit.builders import ACCOUNT, DIGEST, ecr, host, reference
from tidegate.checks.registry import check_registry, describe_scope
from tidegate.checks.result import Check, Outcome, Reason

OURS = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1"

CASES = [
    pytest.param((ecr(),), OURS, True, id="our account, any region, any repository"),
    pytest.param((ecr(region="eu-west-1"),), OURS, True, id="our account and region"),
    pytest.param((ecr(region="eu-west-2"),), OURS, False, id="our account in another region"),
    pytest.param((ecr(account="123456789013"),), OURS, False, id="an account that differs by one digit"),
    pytest.param((ecr(partition="aws-cn"),), OURS, False, id="the same account number in another partition"),
    pytest.param((ecr("team/*"),), OURS, True, id="a repository glob that fits"),
    pytest.param((ecr("team"),), OURS, False, id="a name that is only a prefix"),
    pytest.param((ecr("*"),), OURS, False, id="a star that does not cross a slash"),
    pytest.param((ecr("other/*", "team/*"),), OURS, True, id="the second of two globs"),
    pytest.param((ecr(account="999999999999"), ecr()), OURS, True, id="the second of two scopes"),
    pytest.param((), OURS, False, id="an empty list lists nothing"),
    pytest.param(
        (ecr(),), f"{ACCOUNT}.dkr.ecr-fips.eu-west-1.amazonaws.com/team/app:v1", True, id="the FIPS host is the same"
    ),
    pytest.param(
        (ecr(),), f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/team/app:v1", True, id="the dual-stack host is the same"
    ),
    pytest.param(
        (ecr(),), f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.evil.example/team/app:v1", False, id="a look-alike host"
    ),
    pytest.param((ecr(),), f"evil.example/{OURS}", False, id="our host in another registry's path"),
    pytest.param((host("ghcr.io"),), "ghcr.io/team/app:v1", True, id="another registry by host"),
    pytest.param((host("ghcr.io"),), "GHCR.IO/team/app:v1", True, id="a host in capitals"),
    pytest.param((host("ghcr.io"),), "ghcr.io:443/team/app:v1", True, id="a host with the port of HTTPS"),
    pytest.param((host("ghcr.io"),), "ghcr.io:5000/team/app:v1", False, id="a host with another port"),
    pytest.param((host("ghcr.io"),), "xghcr.io/team/app:v1", False, id="a host that ends alike"),
    pytest.param((host("ghcr.io", "team/*"),), "ghcr.io/evil/app:v1", False, id="another repository of the host"),
    pytest.param((host("docker.io"),), "nginx", True, id="a short name of Docker Hub"),
    pytest.param((host("docker.io", "library/*"),), "nginx", True, id="a short name is below library"),
    pytest.param((ecr(),), "nginx", False, id="a short name is not ours"),
]


@pytest.mark.parametrize(("scopes", "text", "listed"), CASES)
def test_an_image_passes_only_where_a_scope_contains_it(scopes, text, listed):
    result = check_registry(scopes, reference(text))
    assert result.check is Check.REGISTRY
    assert result.outcome is (Outcome.PASS if listed else Outcome.FAIL)
    assert result.reason is (Reason.OK if listed else Reason.REGISTRY_NOT_ALLOWED)
    assert result.holds_until is None


def test_a_refusal_names_the_place_as_it_was_parsed_and_the_first_three_scopes():
    scopes = (ecr("team/*"), ecr("base", region="eu-west-1"), host("ghcr.io", "a/*", "b/*"), host("quay.io"), ecr())
    result = check_registry(scopes, reference(f"999999999999.dkr.ecr.us-east-1.amazonaws.com/evil/app@{DIGEST}"))
    assert result.found == (
        "the policy does not allow the registry or repository 999999999999.dkr.ecr.us-east-1.amazonaws.com/evil/app"
    )
    assert result.remedy == (
        f"use an image from {ACCOUNT}.dkr.ecr.*.amazonaws.com/team/*, {ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/base,"
        " ghcr.io/a/* or ghcr.io/b/*"
        " and 2 more"
    )


def test_a_refusal_of_another_registry_names_host_and_path():
    result = check_registry((ecr(),), reference("nginx"))
    assert result.found == "the policy does not allow the registry or repository docker.io/library/nginx"
    assert "more" not in result.remedy


def test_a_scope_is_described_with_at_most_three_globs():
    assert describe_scope(host("ghcr.io", "a", "b", "c", "d")) == "ghcr.io/a or ghcr.io/b or ghcr.io/c"


def test_three_scopes_are_all_that_there_are():
    result = check_registry((host("a.test"), host("b.test"), host("c.test")), reference("nginx"))
    assert result.remedy == "use an image from a.test, b.test, c.test"
