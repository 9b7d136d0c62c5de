"""Judges images for the command line with the controller's own engine, and keeps the evidence beside each verdict."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tidegate.admission.plan import Plan, judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict
from tidegate.cli.documents import ReadPolicies
from tidegate.cli.made_calls import MadeCalls
from tidegate.cli.manifests import FoundImage
from tidegate.cli.options import is_verbose, settings_of
from tidegate.cli.waiting import wait_for_answers
from tidegate.evidence.image_evidence import ImageEvidence, nothing_asked
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.strict.quotation import printable
from tidegate.telemetry.log import configure_logging

if TYPE_CHECKING:
    from tidegate.app.engine import Engine
    from tidegate.gather.sources import Sources

CONCURRENT: Final = 200
"""Images in progress at once."""
PROGRESS_FROM: Final = 5
"""Fewest images for which a terminal shows progress."""
TRUST_SHARE: Final = 0.5
"""Fraction of the time for fetching trusted roots and keys, so that time is left for images that need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """An image with its verdict and the evidence behind it."""

    image: FoundImage
    plan: Plan
    verdict: ImageVerdict
    evidence: ImageEvidence


def engine_of(config: Path | None, observed: "Callable[[Sources], Sources]" = lambda sources: sources) -> "Engine":
    """Return the engine for a configuration file; log errors to standard error. ``observed`` is as in ``build_engine``.

    The engine is imported here, because it needs the AWS SDK, which takes longer to import than all other modules.
    """
    from tidegate.app.engine import build_engine  # noqa: PLC0415

    configure_logging(level="error", form="console", stream=sys.stderr)
    settings = settings_of(config)
    engine = build_engine(settings, observed=observed)
    engine.observer.listener = MadeCalls(
        roles={one.account: one.role_arn for one in settings.aws.accounts if one.role_arn}
    )
    return engine


def judge_images(
    engine: "Engine",
    policies: ReadPolicies,
    images: Sequence[FoundImage],
    *,
    timeout_seconds: float,
    wait_seconds: float = 0.0,
    planned: Callable[[Plan], None] = lambda _: None,
) -> list[JudgedImage]:
    """Fetch the trust that the files lack, then judge each image; return the images in order.

    ``wait_seconds`` is how long to wait for pending scans and for what AWS could not answer. ``planned`` is called with the
    plan of each image before its evidence is looked up. Standard error lists the calls that failed, and with ``--verbose``
    all calls.
    """
    judged = asyncio.run(_judge_all(engine, policies, images, timeout_seconds, wait_seconds, planned))
    calls = engine.observer.listener
    if isinstance(calls, MadeCalls):
        references = [one.plan.reference for one in judged if one.plan.reference is not None]
        lines = calls.failures(references, engine.identity.caller_arn)
        for line in [*lines, *(calls.summary() if is_verbose() else ())]:
            click.echo(printable(line), err=True)
    return judged


async def _judge_all(
    engine: "Engine",
    policies: ReadPolicies,
    images: Sequence[FoundImage],
    timeout_seconds: float,
    wait_seconds: float,
    planned: Callable[[Plan], None],
) -> list[JudgedImage]:
    # Imported with the engine: --help needs neither.
    from tidegate.cli.progress import show_progress, show_waiting  # noqa: PLC0415
    from tidegate.cli.trust_fetching import fetch_trust  # noqa: PLC0415

    clock = engine.clock
    deadline = clock.monotonic() + timeout_seconds
    room = asyncio.Semaphore(CONCURRENT)

    async def judge_one(image: FoundImage, snapshot: PolicySnapshot, deadline: float) -> JudgedImage:
        async with room:
            matching = snapshot.for_namespace(image.namespace, policies.labels.get(image.namespace))
            plan = make_plan(image.text or "", matching, ())
            planned(plan)
            evidence = nothing_asked()
            if plan.reference is not None and plan.wanted is not None:
                evidence = await engine.collector.collect(plan.reference, plan.wanted, deadline=deadline)
        verdict = judge_plan(plan, evidence, now=clock.now(), monotonic=clock.monotonic(), audit_only=False)
        return JudgedImage(image=image, plan=plan, verdict=verdict, evidence=evidence)

    with _closing(engine):
        with show_progress() as begin:
            trust = await fetch_trust(policies.trust, engine, seconds=timeout_seconds * TRUST_SHARE, begin=begin)
            snapshot = PolicySnapshot.of(policies.policies, trust, policies.exceptions)
            advance = begin("judging images", len(images)) if len(images) >= PROGRESS_FROM else lambda: None

            async def judge_first(image: FoundImage) -> JudgedImage:
                judged = await judge_one(image, snapshot, deadline)
                advance()
                return judged

            judged = list(await asyncio.gather(*map(judge_first, images)))
        if not wait_seconds:
            return judged

        async def again(some: Sequence[JudgedImage]) -> Sequence[JudgedImage]:
            until = clock.monotonic() + timeout_seconds
            return await asyncio.gather(*(judge_one(one.image, snapshot, until) for one in some))

        return await wait_for_answers(
            judged, again, clock=clock, seconds=wait_seconds, telling=show_waiting(wait_seconds)
        )


@contextlib.contextmanager
def _closing(engine: "Engine") -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):
            engine.close()
