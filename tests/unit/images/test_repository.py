"""Every host form of Amazon ECR is one registry, and nothing that only looks like one is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.images.repository import EcrRegistry, EcrRepository, OciRegistry, OciRepository, parse_ecr_host

ACCOUNT = "123456789012"
ARABIC_ONE = "\u0661"

REGISTRIES = {
    "commercial": (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "aws", "eu-west-1"),
    "FIPS": (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", "aws", "us-east-1"),
    "dual-stack": (f"{ACCOUNT}.dkr-ecr.us-west-2.on.aws", "aws", "us-west-2"),
    "dual-stack FIPS": (f"{ACCOUNT}.dkr-ecr-fips.us-east-2.on.aws", "aws", "us-east-2"),
    "GovCloud": (f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov", "us-gov-west-1"),
    "GovCloud FIPS": (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "aws-us-gov", "us-gov-west-1"),
    "GovCloud dual-stack FIPS": (f"{ACCOUNT}.dkr-ecr-fips.us-gov-east-1.on.aws", "aws-us-gov", "us-gov-east-1"),
    "China": (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "aws-cn", "cn-north-1"),
    "China dual-stack": (f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "aws-cn", "cn-north-1"),
    "European Sovereign Cloud": (f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.amazonaws.eu", "aws-eusc", "eusc-de-east-1"),
    "isolated": (f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov", "aws-iso", "us-iso-east-1"),
    "isolated b": (f"{ACCOUNT}.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b", "us-isob-east-1"),
    "isolated e": (f"{ACCOUNT}.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "aws-iso-e", "eu-isoe-west-1"),
    "isolated f": (f"{ACCOUNT}.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "aws-iso-f", "us-isof-south-1"),
}


@pytest.mark.parametrize("case", REGISTRIES, ids=str)
def test_a_host_form_names_partition_account_and_region(case):
    host, partition, region = REGISTRIES[case]
    assert parse_ecr_host(host) == EcrRegistry(partition, ACCOUNT, region)
    assert parse_ecr_host(host.upper()) == EcrRegistry(partition, ACCOUNT, region)


OTHERS = {
    "nothing": "",
    "the public registry": "public.ecr.aws",
    "a suffix behind": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.fake.example.com",
    "a suffix without its dot": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.cnx",
    "a prefix before": f"x.{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
    "a digit before": f"1{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
    "a digit too few": f"{ACCOUNT[1:]}.dkr.ecr.eu-west-1.amazonaws.com",
    "a trailing newline": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com\n",
    "a trailing dot": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.",
    "a port": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com:443",
    "another domain": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.org",
    "any character for a dot": f"{ACCOUNT}xdkr.ecr.eu-west-1.amazonaws.com",
    "any character for the suffix's dot": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonawsxcom",
    "no region": f"{ACCOUNT}.dkr.ecr.amazonaws.com",
    "a region of two labels": f"{ACCOUNT}.dkr.ecr.eu.west-1.amazonaws.com",
    "the API host": "api.ecr.eu-west-1.amazonaws.com",
    "a Cyrillic letter": f"{ACCOUNT}.dkr.ecr.eu-west-1.\u0430mazonaws.com",
    "the Kelvin sign, which lower-cases to k": f"{ACCOUNT}.d\u212ar.ecr.eu-west-1.amazonaws.com",
    "digits of another script": f"{ARABIC_ONE * 12}.dkr.ecr.eu-west-1.amazonaws.com",
    "a region longer than any": f"{ACCOUNT}.dkr.ecr.{'a' * 64}.amazonaws.com",
}


@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_a_host_that_only_looks_like_amazon_ecr_is_not(case):
    assert parse_ecr_host(OTHERS[case]) is None


def test_a_region_of_63_characters_is_still_a_label():
    assert parse_ecr_host(f"{ACCOUNT}.dkr.ecr.{'a' * 63}.amazonaws.com") == EcrRegistry("aws", ACCOUNT, "a" * 63)


def test_a_repository_is_named_by_its_arn_and_its_words():
    repository = EcrRepository(EcrRegistry("aws-cn", ACCOUNT, "cn-north-1"), "team/app")
    assert repository.arn == f"arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/team/app"
    assert str(repository) == f"{ACCOUNT}/cn-north-1/team/app"


@given(st.text())
def test_any_text_is_a_registry_or_none(text):
    registry = parse_ecr_host(text)
    assert registry is None or text.isascii()


@pytest.mark.parametrize(
    ("host", "standard"),
    [
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu"),
    ],
    ids=["dual-stack", "fips in GovCloud", "China", "European sovereign cloud"],
)
def test_every_registry_has_one_standard_host(host, standard):
    registry = parse_ecr_host(host)
    assert registry is not None
    assert registry.host == standard
    assert parse_ecr_host(standard) == registry


def test_other_repositories_are_named_by_host_and_path():
    assert str(OciRepository(OciRegistry("ghcr.io"), "acme/app")) == "ghcr.io/acme/app"
