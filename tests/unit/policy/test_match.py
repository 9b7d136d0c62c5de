"""A policy is about the namespaces and images that its match says, by parsed fields, with Kubernetes' selectors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.examples import ACCOUNT, matching, with_spec
from tidegate.images.reference import ImageReference
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.policy.match import image_matches, namespace_matches, requirement_holds, scope_contains
from tidegate.policy.model import EcrScope, Glob, HostScope, Match, SelectorOperator, SelectorRequirement
from tidegate.policy.parse import parse_policy

OTHER_ACCOUNT = "999999999999"


def match_of(**fields: Any) -> Match:
    return parse_policy(with_spec(matching(**fields))).match


def ecr_image(
    name: str = "shop/cart",
    *,
    account: str = ACCOUNT,
    region: str = "eu-west-1",
    partition: str = "aws",
    domain: str = "",
) -> ImageReference:
    domain = domain or f"{account}.dkr.ecr.{region}.amazonaws.com"
    repository = EcrRepository(EcrRegistry(partition, account, region), name)
    return ImageReference(text=f"{domain}/{name}:1", domain=domain, path=name, tag="1", digest=None, ecr=repository)


def host_image(domain: str, path: str = "library/nginx") -> ImageReference:
    return ImageReference(text=f"{domain}/{path}:1", domain=domain, path=path, tag="1", digest=None, ecr=None)


OPERATORS: dict[str, tuple[SelectorOperator, tuple[str, ...], dict[str, str], bool]] = {
    "In holds for a listed value": (SelectorOperator.IN, ("a", "b"), {"k": "b"}, True),
    "In does not hold for another value": (SelectorOperator.IN, ("a", "b"), {"k": "c"}, False),
    "In does not hold without the label": (SelectorOperator.IN, ("a", ""), {"other": "a"}, False),
    "In holds for a listed empty value": (SelectorOperator.IN, ("",), {"k": ""}, True),
    "NotIn does not hold for a listed value": (SelectorOperator.NOT_IN, ("a", "b"), {"k": "a"}, False),
    "NotIn holds for another value": (SelectorOperator.NOT_IN, ("a", "b"), {"k": "c"}, True),
    "NotIn holds without the label": (SelectorOperator.NOT_IN, ("a",), {}, True),
    "Exists holds for any value": (SelectorOperator.EXISTS, (), {"k": ""}, True),
    "Exists does not hold without the label": (SelectorOperator.EXISTS, (), {"kk": "a"}, False),
    "DoesNotExist holds without the label": (SelectorOperator.DOES_NOT_EXIST, (), {"kk": "a"}, True),
    "DoesNotExist does not hold for any value": (SelectorOperator.DOES_NOT_EXIST, (), {"k": ""}, False),
}


@pytest.mark.parametrize("case", OPERATORS, ids=str)
def test_the_operator(case):
    operator, values, labels, holds = OPERATORS[case]
    assert requirement_holds(SelectorRequirement(key="k", operator=operator, values=values), labels) is holds


NAME = "kubernetes.io/metadata.name"
SHOP = {"matchLabels": {"team": "shop"}}
NAMESPACES: dict[str, tuple[dict[str, Any], str, dict[str, str] | None, bool]] = {
    "an empty match is about every namespace": ({}, "any", {}, True),
    "a named namespace": ({"namespaces": ["other", "shop"]}, "shop", {}, True),
    "a namespace not named": ({"namespaces": ["shop"]}, "shop-2", {}, False),
    "a namespace named by a glob": ({"namespaces": ["shop-*"]}, "shop-2", {}, True),
    "an excluded namespace": ({"excludedNamespaces": ["kube-*"]}, "kube-system", {}, False),
    "a namespace beside the excluded ones": ({"excludedNamespaces": ["kube-*"]}, "shop", {}, True),
    "exclusion beats naming": ({"namespaces": ["shop"], "excludedNamespaces": ["shop"]}, "shop", {}, False),
    "exclusion beats labels": ({"namespaceSelector": SHOP, "excludedNamespaces": ["a"]}, "a", {"team": "shop"}, False),
    "labels that are selected": ({"namespaceSelector": SHOP}, "a", {"team": "shop", "x": "y"}, True),
    "labels that are not selected": ({"namespaceSelector": SHOP}, "a", {"team": "bank"}, False),
    "names and labels are ANDed": ({"namespaceSelector": SHOP, "namespaces": ["b"]}, "a", {"team": "shop"}, False),
    "every label must fit": (
        {"namespaceSelector": {"matchLabels": {"team": "shop", "stage": "test"}}},
        "a",
        {"team": "shop"},
        False,
    ),
    "labels and expressions are ANDed": (
        {"namespaceSelector": SHOP | {"matchExpressions": [{"key": "stage", "operator": "Exists"}]}},
        "a",
        {"team": "shop"},
        False,
    ),
    "the name's label is always there": ({"namespaceSelector": {"matchLabels": {NAME: "a"}}}, "a", {}, True),
    "the name's label is the name": ({"namespaceSelector": {"matchLabels": {NAME: "b"}}}, "a", {NAME: "b"}, False),
    "unknown labels may be the selected ones": ({"namespaceSelector": SHOP}, "a", None, True),
    "unknown labels do not hide the name": ({"namespaceSelector": {"matchLabels": {NAME: "b"}}}, "a", None, False),
    "unknown labels do not undo exclusion": (
        {"namespaceSelector": SHOP, "excludedNamespaces": ["a"]},
        "a",
        None,
        False,
    ),
    "unknown labels do not undo naming": ({"namespaceSelector": SHOP, "namespaces": ["b"]}, "a", None, False),
}


@pytest.mark.parametrize("case", NAMESPACES, ids=str)
def test_the_namespace(case):
    fields, name, labels, about = NAMESPACES[case]
    assert namespace_matches(match_of(**fields), name, labels) is about


def test_labels_are_not_changed():
    labels = {"team": "shop"}
    namespace_matches(match_of(namespaceSelector=SHOP), "a", labels)
    assert labels == {"team": "shop"}


ECR = EcrScope(partition="aws", account=ACCOUNT, region="eu-west-1", repositories=(Glob(text="shop/*"),))
ANY_REGION = EcrScope(partition="aws", account=ACCOUNT, region=None)
CHINA = EcrScope(partition="aws-cn", account=ACCOUNT, region=None)
HUB = HostScope(host="docker.io", repositories=(Glob(text="library/*"),))
PORT = HostScope(host="registry.example.com:5000")
DUAL = f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws"
FAKE = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.example.com"

SCOPES: dict[str, tuple[EcrScope | HostScope, ImageReference, bool]] = {
    "the account, region and repository": (ECR, ecr_image(), True),
    "another host of the same registry": (ECR, ecr_image(domain=DUAL), True),
    "another account": (ECR, ecr_image(account=OTHER_ACCOUNT), False),
    "another region": (ECR, ecr_image(region="us-east-1"), False),
    "another repository": (ECR, ecr_image("bank/cart"), False),
    "a repository one level deeper": (ECR, ecr_image("shop/a/b"), False),
    "another partition": (ECR, ecr_image(partition="aws-cn"), False),
    "any region": (ANY_REGION, ecr_image("a/b/c", region="us-east-1"), True),
    "any region, another account": (ANY_REGION, ecr_image(account=OTHER_ACCOUNT), False),
    "an account of China": (CHINA, ecr_image(region="cn-north-1", partition="aws-cn"), True),
    "the same account number elsewhere": (CHINA, ecr_image(), False),
    "a host that only looks like ECR": (ANY_REGION, host_image(FAKE, "shop/cart"), False),
    "a host": (HUB, host_image("docker.io"), True),
    "a host's other repository": (HUB, host_image("docker.io", "someone/nginx"), False),
    "another host": (HUB, host_image("docker.io.example.com"), False),
    "a host written in upper case": (HUB, host_image("Docker.IO"), True),
    "a host with the port it has anyway": (HUB, host_image("docker.io:443"), True),
    "a host with another port": (HUB, host_image("docker.io:444"), False),
    "a host with its port": (PORT, host_image("registry.example.com:5000"), True),
    "a host without its port": (PORT, host_image("registry.example.com"), False),
    "the other name of the public registry": (HostScope(host="public.ecr.aws"), host_image("ecr-public.aws.com"), True),
    "an ECR image by its host": (HostScope(host=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"), ecr_image(), False),
    "no repository at all": (HostScope(host="docker.io", repositories=()), host_image("docker.io"), False),
    "no repository of the account": (
        EcrScope(partition="aws", account=ACCOUNT, region=None, repositories=()),
        ecr_image(),
        False,
    ),
}


@pytest.mark.parametrize("case", SCOPES, ids=str)
def test_the_scope_against(case):
    scope, reference, contained = SCOPES[case]
    assert scope_contains(scope, reference) is contained
    assert image_matches(Match(images=(scope,)), reference) is contained


def test_a_match_without_images_is_about_every_image():
    assert image_matches(Match(), host_image("docker.io"))
    assert image_matches(Match(), ecr_image())


def test_one_of_several_scopes_is_enough():
    assert image_matches(Match(images=(HUB, ECR)), ecr_image())
    assert not image_matches(Match(images=(HUB, ECR)), host_image("ghcr.io"))


label = st.sampled_from(["", "a", "b", "c"])
labels = st.dictionaries(st.sampled_from(["k", "l"]), label)


@given(labels, st.lists(label, min_size=1).map(tuple))
def test_operators_and_their_opposites(present, values):
    """NotIn is exactly the opposite of In, DoesNotExist that of Exists; no labels can step out of both."""
    for one, other in (("IN", "NOT_IN"), ("EXISTS", "DOES_NOT_EXIST")):
        holds = [
            requirement_holds(SelectorRequirement(key="k", operator=SelectorOperator[name], values=values), present)
            for name in (one, other)
        ]
        assert holds[0] is not holds[1]
