"""Which modules are mutated, and which tests have to notice: those that say what a module does, not the whole suite.

The large model tests are left out on purpose. They would notice more, and take minutes a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "controller" / "tidegate"

AREAS: dict[str, tuple[str, ...]] = {
    "checks/judge.py": ("tests/unit/checks/test_judge.py", "tests/unit/checks/test_verification.py"),
    "checks/signature.py": ("tests/unit/checks/test_verification.py",),
    "checks/attestation.py": ("tests/unit/checks/test_verification.py",),
    "checks/verification.py": ("tests/unit/checks/test_verification.py",),
    "checks/result.py": ("tests/unit/checks/test_judge.py", "tests/unit/checks/test_existence.py"),
    "checks/existence.py": ("tests/unit/checks/test_existence.py",),
    "checks/staleness.py": ("tests/unit/checks/test_staleness.py",),
    "checks/scan.py": ("tests/unit/checks/test_scan.py", "tests/unit/checks/test_settling.py"),
    "checks/vulnerabilities.py": ("tests/unit/checks/test_vulnerabilities.py",),
    "images/platform.py": ("tests/unit/images/test_platform.py",),
    "images/manifest.py": ("tests/unit/images/test_manifest.py",),
    "evidence/index_children.py": ("tests/unit/evidence/test_index_children.py",),
    "verify/notation/procedure.py": (
        "tests/unit/verify/notation/test_procedure.py",
        "tests/unit/verify/notation/test_aws_signer.py",
        "tests/unit/verify/notation/test_timestamps.py",
    ),
    "checks/registry.py": ("tests/unit/checks/test_registry.py",),
    "checks/tag.py": ("tests/unit/checks/test_tag.py",),
    "checks/messages.py": ("tests/unit/checks/test_messages.py",),
    "policy/match.py": ("tests/unit/policy/test_match.py", "tests/unit/policy/test_snapshot.py"),
    "admission/decision.py": ("tests/unit/admission/test_decision.py",),
    "admission/verdict.py": ("tests/unit/admission/test_verdict.py",),
}
"""Modules below the package, and their tests."""

SLOW = (
    "tests/unit/verify/notation/test_timestamp_authorities.py::test_an_altered_token_says_the_same_or_nothing",
    "tests/unit/verify/notation/test_timestamps.py::test_a_countersignature_is_verified[rsa4096-N59-jws]",
)
"""Tests that are left out, since they take seconds for each fault."""


def chosen(wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the areas that are named, by file or by folder; all for none. Raise ValueError for a name of no area."""
    found: dict[str, tuple[str, ...]] = {}
    for name in wanted or [""]:
        fitting = {area: tests for area, tests in AREAS.items() if area.startswith(name) or area == f"{name}.py"}
        if not fitting:
            raise ValueError(f"there is no area {name}; there are {', '.join(AREAS)}")
        found |= fitting
    return found
