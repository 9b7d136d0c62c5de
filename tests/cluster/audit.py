"""The API server's audit log: what goes into it, and reading it back.

Level Metadata holds who did what and every annotation, so a test sees an admission webhook's auditAnnotations the way
an operator does: under ``annotations``, as ``WEBHOOK_NAME/KEY``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Reads by the control plane's own parts are most of the traffic and of no interest.
AUDIT_POLICY = json.dumps(
    {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
            {
                "level": "None",
                "users": ["system:apiserver", "system:kube-controller-manager"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "level": "None",
                "userGroups": ["system:serviceaccounts:kube-system"],
                "verbs": ["get", "list", "watch"],
            },
            {"level": "Metadata"},
        ],
    },
    indent=2,
)


def read_audit_log(path: Path) -> list[dict[str, Any]]:
    """Return the events written so far, oldest first; a last line that is still being written is left out."""
    if not path.is_file():
        return []
    complete, _, _ = path.read_text().rpartition("\n")
    return [json.loads(line) for line in complete.splitlines()]
