"""Verification of signatures, in microseconds: cold, warm and remembered, beside the programs that users verify with.

Cold prepares the demand first (trust stores parsed, keys read), warm has it prepared, and remembered is what a second
Pod of the same image costs: all three in processor time, which is the time they take on an idle core, since nothing in
them waits. A program's time is the wall time of its whole process: its start, its files, and for cosign the questions to a
registry on loopback. Libraries are loaded beforehand, as the controller does at its start.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.bench.signed import SIGNED, Case, signed_images
from tests.e2e.interop.programs import Program
from tidegate.evidence.fact import Missing
from tidegate.evidence.signature_artifacts import FoundArtifacts
from tidegate.evidence.verification_result import VerificationState
from tidegate.gather.clock import SystemClock
from tidegate.gather.revocations import Revocations
from tidegate.gather.signature_verifications import SignatureVerifications
from tidegate.signing.prepare import prepare
from tidegate.signing.requirements import Requirement
from tidegate.verify.notation.revocation.material import Question, RevocationMaterial
from tidegate.verify.notation.signer import SignerAnswer
from tidegate.verify.sigstore import preload

COLD, WARM, REMEMBERED = 21, 201, 2001
"""Times that each is measured."""
LIMIT = 1_000


class _NothingRevoked:
    """AWS Signer's word, always at hand: its answer is kept for minutes and shared by all images of a profile."""

    async def ask(self, _question: Question) -> tuple[SignerAnswer, float]:
        return _answer(), float("inf")


def run(*, rounds: int) -> dict[str, Any]:
    """Return a row for each kind of signature, by name."""
    preload()
    with tempfile.TemporaryDirectory() as folder, signed_images(Path(folder)) as cases:
        starts = {one.program.path.name: _start(one.program, rounds) for one in cases if one.program is not None}
        return {one.name: _row(one, rounds) | _program(one, rounds, starts) for one in cases}


def _row(case: Case, rounds: int) -> dict[str, float]:
    requirement = case.requirement()
    material = _material(case, requirement)
    _verify(case, requirement, material)

    new = iter([case.requirement() for _ in range(COLD * rounds)])
    found = FoundArtifacts(artifacts=(case.artifact,), skipped=(), complete=True)
    verifications = SignatureVerifications(
        revocations=cast("Revocations", _NothingRevoked()), clock=SystemClock(), limit=LIMIT
    )
    proofs, _ = asyncio.run(verifications.get((SIGNED, found, [requirement])))
    assert not isinstance(proofs, Missing)
    verifications.close()
    if proofs[requirement].state is not VerificationState.VERIFIED:
        raise SystemExit(f"{case.name}: expected it to be verified, got {proofs[requirement]}")
    return {
        "cold_us": _median(lambda: _verify(case, next(new), material), COLD * rounds),
        "warm_us": _median(lambda: _verify(case, requirement, material), WARM * rounds),
        "remembered_us": _median(lambda: verifications.peek((SIGNED, found, [requirement])), REMEMBERED * rounds),
    }


def _program(case: Case, rounds: int, starts: dict[str, float]) -> dict[str, Any]:
    if case.program is None:
        return {}
    program, name = case.program, case.program.path.name
    taken = _median(lambda: program.run(*case.command), 1 + 2 * rounds, clock=time.perf_counter) / 1000
    return {"program": name, "program_ms": taken, "start_ms": starts[name]}


def _start(program: Program, rounds: int) -> float:
    """Return the milliseconds that a program takes to do next to nothing."""
    return _median(lambda: program.run("version"), 1 + 2 * rounds, clock=time.perf_counter) / 1000


def _verify(case: Case, requirement: Requirement, material: RevocationMaterial) -> None:
    """Verify once, as the controller does in a thread, and make sure that it was verified."""
    verifier = prepare(requirement)
    if isinstance(verifier, Exception):
        raise SystemExit(f"{case.name}: {verifier}")
    examined = verifier.verify(case.artifact, SIGNED, now=datetime.now(UTC), revocation=material)
    if examined.attempt.state is not VerificationState.VERIFIED:
        raise SystemExit(f"{case.name}: expected it to be verified, got {examined}")


def _material(case: Case, requirement: Requirement) -> RevocationMaterial:
    """Return the answers to what verification asks of AWS Signer; nothing else is asked here."""
    verifier = prepare(requirement)
    if isinstance(verifier, Exception):
        raise SystemExit(f"{case.name}: {verifier}")
    first = verifier.verify(case.artifact, SIGNED, now=datetime.now(UTC), revocation=RevocationMaterial())
    return RevocationMaterial(answers={question: _answer() for question in first.questions})


def _answer() -> SignerAnswer:
    return SignerAnswer(revoked_entities=(), good_until=datetime.now(UTC) + timedelta(hours=1))


def _median(action: Callable[[], object], times: int, *, clock: Callable[[], float] = time.thread_time) -> float:
    """Return the median of so many times, in microseconds."""
    taken = []
    for _ in range(times):
        started = clock()
        action()
        taken.append(clock() - started)
    return statistics.median(taken) * 1e6


if __name__ == "__main__":
    print(json.dumps(run(rounds=1), indent=1))
