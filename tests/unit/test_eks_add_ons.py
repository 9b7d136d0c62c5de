"""The images of EKS add-ons pass with the policies of docs/reference/eks-add-ons.md, in every region; others do not."""

import re

import pytest
import yaml

from tests.unit.builders import DIGEST, reference
from tests.unit.eks_add_ons import DATA, PAGE, accounts, renewed
from tidegate.checks.registry import check_registry
from tidegate.checks.result import Outcome
from tidegate.images.repository import EcrRegistry
from tidegate.policy.match import namespace_matches
from tidegate.policy.parse import parse_policy

BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
POLICIES = {one.name: one for block in BLOCKS for one in map(parse_policy, yaml.safe_load_all(block))}
REGIONS = list(accounts())
OURS = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def judged(namespace: str, image: str) -> list[bool]:
    """Return for each policy that matches the namespace whether the image's registry is allowed."""
    parsed = reference(f"{image}@{DIGEST}")
    matching = [one for one in POLICIES.values() if namespace_matches(one.match, namespace, {})]
    return [check_registry(one.registries or (), parsed).outcome is Outcome.PASS for one in matching]


def test_the_page_says_what_the_data_says():
    text = PAGE.read_text()
    assert text == renewed(text)


@pytest.mark.parametrize(("partition", "region", "account"), REGIONS, ids=[region for _, region, _ in REGIONS])
def test_an_add_on_passes_in(partition, region, account):
    host = EcrRegistry(partition, account, region).host
    assert judged("kube-system", f"{host}/amazon-k8s-cni") == [True]
    assert judged("amazon-guardduty", f"{host}/eks/coredns") == [True]
    assert judged("shop", f"{host}/eks/coredns") == [False]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("602401143452.dkr.ecr.af-south-1.amazonaws.com/eks/coredns", id="an account in another region"),
        pytest.param("918309763551.dkr.ecr.eu-west-1.amazonaws.com/eks/coredns", id="an account in another partition"),
        pytest.param("999999999999.dkr.ecr.eu-west-1.amazonaws.com/eks/coredns", id="another account"),
        pytest.param("602401143452.dkr.ecr.eu-west-1.amazonaws.com.evil.example/eks/coredns", id="a look-alike host"),
    ],
)
def test_no_other_image_passes_beside_add_ons(image):
    assert judged("kube-system", image) == [False]


def test_own_images_pass_everywhere():
    assert judged("kube-system", f"{OURS}/team/app") == [True]
    assert judged("shop", f"{OURS}/team/app") == [True]


def test_each_region_is_listed_once_and_each_account_has_twelve_digits():
    regions = [region for _, region, _ in REGIONS]
    assert len(regions) == len(set(regions))
    assert all(re.fullmatch("[0-9]{12}", account) for _, _, account in REGIONS)
    assert DATA["source"].startswith("https://docs.aws.amazon.com/eks/")
