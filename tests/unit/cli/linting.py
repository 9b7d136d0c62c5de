"""Objects to lint, and what ``tidegate lint`` says about them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests import objects
from tests.unit.cli.commands import Ended

CLEAN, FINDINGS, INVALID = 0, 1, 2
DOCS = Path(__file__).parents[3] / "docs"
ACCOUNT = "123456789012"
NO_CRITICAL: dict[str, Any] = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
NOTATION = {"trustStores": ["aws"], "trustedIdentities": ["*"]}
AUTHORITY: dict[str, Any] = {"name": "release", "notation": NOTATION}
KEYLESS: dict[str, Any] = {
    "name": "ci",
    "sigstore": {
        "trustedRoot": "sigstore",
        "identities": [{"issuer": "https://issuer.test", "subject": "ci@acme.test"}],
    },
}
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
Linter = Callable[..., Ended]


def policy(name: str = "production", **spec: Any) -> dict[str, Any]:
    return objects.image_policy(name, spec or NO_CRITICAL)


def excepted(**changes: Any) -> dict[str, Any]:
    return objects.policy_exception("hotfix", **({"namespaces": ["*"], "expiresAt": SOON} | changes))


def found(ended: Ended) -> list[tuple[str, str, str]]:
    """Rule, message and fix of each finding of a JSON output."""
    return [(one["rule"], one["message"], one["fix"]) for one in json.loads(ended.out)]


def rules(linted: Linter, *documents: Any, arguments: tuple[object, ...] = ()) -> list[str]:
    return [rule for rule, _, _ in found(linted(*documents, arguments=("-o", "json", *arguments)))]
