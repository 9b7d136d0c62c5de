"""Judges images for the command line with the controller's own engine, and keeps the evidence beside each verdict."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from tidegate.admission.plan import Plan, judge_plan, make_plan
from tidegate.app.engine import Engine
from tidegate.cli.documents import FoundImage, ReadPolicies
from tidegate.cli.judged import JudgedImage
from tidegate.cli.progress import ShownProgress
from tidegate.cli.trust_fetching import fetch_trust
from tidegate.evidence.image_evidence import nothing_asked
from tidegate.policy.snapshot import PolicySnapshot

CONCURRENT: Final = 200
"""Images collected at once."""
PROGRESS_FROM: Final = 5
"""Images from which progress is shown on a terminal."""
TRUST_SHARE: Final = 0.5
"""Part of the time that fetching trusted roots and keys may take, so that whatever needs none is judged all the same."""


def judge_images(
    engine: Engine,
    policies: ReadPolicies,
    images: Sequence[FoundImage],
    *,
    timeout_seconds: float,
    planned: Callable[[Plan], None] = lambda _: None,
) -> list[JudgedImage]:
    """Return each image judged, in order, when what the policies rely on and the files lack was fetched once.

    ``planned`` is called with the plan of each image before anything is looked up for it.
    """
    with ShownProgress() as progress:
        return asyncio.run(_judge_all(engine, policies, images, timeout_seconds, progress, planned))


async def _judge_all(
    engine: Engine,
    policies: ReadPolicies,
    images: Sequence[FoundImage],
    timeout_seconds: float,
    progress: ShownProgress,
    planned: Callable[[Plan], None],
) -> list[JudgedImage]:
    deadline = engine.clock.monotonic() + timeout_seconds
    room = asyncio.Semaphore(CONCURRENT)
    try:
        trust = await fetch_trust(policies.trust, engine, seconds=timeout_seconds * TRUST_SHARE, progress=progress)
        snapshot = PolicySnapshot.of(policies.policies, trust)
        advance = progress.begin("judging images", len(images)) if len(images) >= PROGRESS_FROM else lambda: None

        async def judge_one(image: FoundImage) -> JudgedImage:
            async with room:
                judged = await _judge(engine, snapshot, image, deadline, planned)
            advance()
            return judged

        return list(await asyncio.gather(*map(judge_one, images)))
    finally:
        with contextlib.suppress(RuntimeError):
            engine.close()


async def _judge(
    engine: Engine, policies: PolicySnapshot, image: FoundImage, deadline: float, planned: Callable[[Plan], None]
) -> JudgedImage:
    plan = make_plan(image.text, policies.for_namespace(image.namespace, None), ())
    planned(plan)
    evidence = nothing_asked()
    if plan.reference is not None and plan.wanted is not None:
        evidence = await engine.collector.collect(plan.reference, plan.wanted, deadline=deadline)
    clock = engine.clock
    verdict = judge_plan(plan, evidence, now=clock.now(), monotonic=clock.monotonic(), audit_only=False)
    return JudgedImage(image=image, plan=plan, verdict=verdict, evidence=evidence)
