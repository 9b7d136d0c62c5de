"""Images and policies for ``tidegate verify IMAGE``."""

from pathlib import Path
from typing import Any

from tests.integration.cli.desk import Desk, policy
from tests.integration.cli.signers import signed_by, trust_stores
from tests.integration.gather.gate import image

VERIFIED, NOT_VERIFIED, UNDECIDED = 0, 1, 2
APP = image()


def policies(desk: Desk, *authorities: dict[str, Any], **more: Any) -> Path:
    return desk.write("policies.yaml", policy(**signed_by(*authorities, **more)), *trust_stores())
