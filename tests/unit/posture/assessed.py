"""A repository, what is demanded of it, and the results."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.posture.configurations import (
    CI,
    OTHER,
    allow,
    deny_push,
    policy,
    registry,
    repository,
)
from tidegate.evidence.registry_configuration import (
    SigningRule,
    StoredImage,
)
from tidegate.images.digest import Digest
from tidegate.policy.model import PullRules, PushRules, RepositoryRules
from tidegate.posture.assess import assess
from tidegate.posture.result import PostureResult, PostureStatus

NOW = datetime(2026, 11, 28, tzinfo=UTC)
IMAGE = Digest(f"sha256:{1:064x}")
RULES = RepositoryRules(push=PushRules(restricted_to=(CI,)), pull=PullRules(accounts=(OTHER,)))
GUARDED = deny_push(Action=["ecr:PutImage", "ecr:Set*", "ecr:Delete*"])
GOOD = policy(GUARDED, allow({"AWS": OTHER}))
SIGNS = SigningRule(profile="arn:aws:signer:eu-west-1:111122223333:/signing-profiles/p", filters=("team/*",))
PASS, FAIL, UNDETERMINED = PostureStatus


def results(
    configured: Any = None, of: Any = None, rules: RepositoryRules = RULES, **more: Any
) -> dict[str, PostureResult]:
    found = assess(configured or repository(), of or registry(), rules, now=NOW, **more)
    return {one.check.value: one for one in found}


def expiring(**selection: Any) -> str:
    chosen = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30} | selection
    return json.dumps({"rules": [{"rulePriority": 1, "selection": chosen, "action": {"type": "expire"}}]})


STORED = StoredImage(digest=IMAGE, tags=("v1",), pushed_at=NOW - timedelta(days=10))
