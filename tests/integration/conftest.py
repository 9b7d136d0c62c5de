"""What holds for every integration test: a busy machine is not taken for an AWS that is slow."""

import pytest

from tidegate.gather import patience

PATIENT_SECONDS = 5.0


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Wait long for evidence before the last good one is used; unit tests and attacks test that this happens."""
    monkeypatch.setattr(patience, "GRACE_SECONDS", PATIENT_SECONDS)
