"""Judges images for the command line with the controller's own engine, and keeps the evidence beside each verdict."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.admission.plan import Plan, judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.app.engine import Engine
from tidegate.cli.documents import FoundImage
from tidegate.evidence.collected import ImageEvidence, nothing_asked
from tidegate.policy.snapshot import PolicySnapshot

CONCURRENT = 200
"""Images collected at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """One image with its verdict and the evidence that it rests on."""

    image: FoundImage
    plan: Plan
    verdict: ImageVerdict
    evidence: ImageEvidence


def judge_images(
    engine: Engine,
    policies: PolicySnapshot,
    images: Sequence[FoundImage],
    *,
    timeout_seconds: float,
    progress: Callable[[], None] = lambda: None,
) -> list[JudgedImage]:
    """Return each image judged, in order. ``progress`` is called once for each."""
    return asyncio.run(_judge_all(engine, policies, images, timeout_seconds, progress))


async def _judge_all(
    engine: Engine,
    policies: PolicySnapshot,
    images: Sequence[FoundImage],
    timeout_seconds: float,
    progress: Callable[[], None],
) -> list[JudgedImage]:
    deadline = engine.clock.monotonic() + timeout_seconds
    room = asyncio.Semaphore(CONCURRENT)

    async def judge_one(image: FoundImage) -> JudgedImage:
        async with room:
            judged = await _judge(engine, policies, image, deadline)
        progress()
        return judged

    try:
        return list(await asyncio.gather(*map(judge_one, images)))
    finally:
        with contextlib.suppress(RuntimeError):
            engine.close()


async def _judge(engine: Engine, policies: PolicySnapshot, image: FoundImage, deadline: float) -> JudgedImage:
    plan = make_plan(image.text, policies.for_namespace(image.namespace, None), ())
    evidence = nothing_asked()
    if plan.reference is not None and plan.wanted is not None:
        evidence = await engine.collector.collect(plan.reference, plan.wanted, deadline=deadline)
    verdict = judge_plan(plan, evidence, now=engine.clock.now(), audit_only=False)
    return JudgedImage(image=image, plan=plan, verdict=verdict, evidence=evidence)
