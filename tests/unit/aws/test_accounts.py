"""Settings that AWS would refuse in the middle of a request are refused at the start."""

import pytest

from tidegate.aws.accounts import AwsSettings, RegistryAccount, ScannerChoice
from tidegate.errors import ConfigurationError

ROLE = "arn:aws:iam::444455556666:role/tidegate-reader"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"account": "12345678901"}, id="eleven digits"),
        pytest.param({"account": "1234567890123"}, id="thirteen digits"),
        pytest.param({"account": "12345678901\n"}, id="a newline for a digit"),
        pytest.param({"account": "١٢٣٤٥٦٧٨٩٠١٢"}, id="digits of another script"),
        pytest.param({"account": "444455556666", "role_arn": "tidegate-reader"}, id="a role's name"),
        pytest.param(
            {"account": "444455556666", "role_arn": "arn:aws:sts::444455556666:assumed-role/x/y"}, id="a session's ARN"
        ),
        pytest.param({"account": "444455556666", "role_arn": ROLE + "\n"}, id="a newline behind the role"),
        pytest.param({"account": "444455556666", "external_id": "x"}, id="an external id for no role"),
    ],
)
def test_an_account_that_cannot_work_is_refused(fields):
    with pytest.raises(ConfigurationError):
        RegistryAccount(**fields)


def test_a_role_may_be_in_another_account_than_the_registry():
    """As that of Amazon Inspector's delegated administrator is."""
    account = RegistryAccount(account="777788889999", role_arn=ROLE, external_id="x", scanner=ScannerChoice.BASIC)
    assert account.role_account == "444455556666"
    assert RegistryAccount(account="777788889999").role_account is None


def test_roles_with_a_path_and_of_other_partitions_are_accepted():
    for role in ("arn:aws-cn:iam::444455556666:role/teams/a/reader", "arn:aws-us-gov:iam::444455556666:role/r+=,.@-_"):
        assert RegistryAccount(account="444455556666", role_arn=role).role_account == "444455556666"


def test_an_account_listed_twice_is_refused():
    with pytest.raises(ConfigurationError, match="444455556666"):
        AwsSettings(accounts=(RegistryAccount(account="444455556666"), RegistryAccount(account="444455556666")))
