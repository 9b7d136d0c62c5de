"""A reported change of a repository or registry has its configuration looked up again, long before the cached one is old."""

from dataclasses import replace

import pytest

from tests.unit.background.cluster import ECR, pod
from tests.unit.background.conftest import Leader
from tests.unit.builders import policy
from tests.unit.gather.fakes import APP, IMAGE, OTHER, REGISTRY, FakeAws
from tidegate.evidence.change import Change, RegistryChange, RepositoryChange
from tidegate.evidence.registry_configuration import Encryption, EncryptionType, RepositoryConfiguration
from tidegate.policy.model import RepositoryRules, RequiredEncryption

ENCRYPTED = policy(repository=RepositoryRules(encryption=RequiredEncryption.KMS))


def encrypt(aws: FakeAws, kind: EncryptionType) -> None:
    configured = aws.configured[APP.name]
    assert isinstance(configured, RepositoryConfiguration)
    aws.configured[APP.name] = replace(configured, encryption=Encryption(type=kind))


@pytest.mark.parametrize("change", [RepositoryChange(APP), RegistryChange(REGISTRY)])
async def test_a_reported_change_is_looked_up(leader: Leader, working: Leader, change: Change) -> None:
    encrypt(working.aws, EncryptionType.KMS)
    working.set_policies(ENCRYPTED)
    working.run_pods(pod("web-1-a", f"{ECR}/team/app:v1", ran=(f"{ECR}/team/app@{IMAGE}",)))
    await working.settle(30)
    assert working.status["outcome"] == "Pass"
    encrypt(working.aws, EncryptionType.AES256)
    working.work.changed([RegistryChange(OTHER)])
    await working.settle(30)
    assert working.status["outcome"] == "Pass"
    working.work.changed([change])
    await working.settle(30)
    assert working.status["outcome"] == "Fail"
