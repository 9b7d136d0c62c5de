"""The background role: watches of Pods and verdicts, a Lease, and the leader's work, built from the settings and run by kopf."""

import asyncio
import gc
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from tidegate.app.background_metrics import BackgroundMetrics, watch_left_out
from tidegate.app.engine import Engine, build_engine
from tidegate.app.event_source import build_event_source
from tidegate.app.server_metrics import ServerMetrics
from tidegate.app.sources import (
    ClusterSources,
    cluster_sources,
    log_identity,
    metrics_listener,
    own_namespace,
    watch_clock,
)
from tidegate.background.counts import Counts
from tidegate.background.events import Events
from tidegate.background.evidence import HeldEvidence
from tidegate.background.judging import UsesJudge
from tidegate.background.leading import Leading
from tidegate.background.owners import Owners
from tidegate.background.pods import PODS_PATH, decode_pod, pods_query
from tidegate.background.posture_objects import PostureObjects
from tidegate.background.postures import PostureFacts, RepositoryPostures
from tidegate.background.progress import Progress
from tidegate.background.running import PodTable
from tidegate.background.schedule import Schedule
from tidegate.background.stored import VerdictHeads
from tidegate.background.work import Work
from tidegate.background.writer import WRITES_AT_ONCE, VerdictWriter
from tidegate.cluster.api import THREADS, KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.lease import LeaderLease, LeaseTimes
from tidegate.cluster.policy_reports import PolicyReportWriter
from tidegate.cluster.reflector import Reflector
from tidegate.cluster.verdict_inventory import read_verdicts
from tidegate.errors import ConfigurationError
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.registry_configuration import Answer, RepositoryConfiguration, StoredImage
from tidegate.evidence.source_unavailable import SourceUnavailableError, UnknownRegionError
from tidegate.gather.change_feed import ChangeFeed
from tidegate.gather.reread import Reread
from tidegate.images.repository import EcrRepository
from tidegate.reports.report_book import ReportBook
from tidegate.settings import Settings
from tidegate.telemetry.posture import PostureMetrics
from tidegate.verdicts.shape import VERDICTS_PATH
from tidegate.webhook.operator import own_identity, run_operator
from tidegate.webhook.report_page import ADDRESS, report_listener
from tidegate.webhook.server import Listener, probe_routes

LEASE_THREADS: Final = 4
"""Of the Lease's own client, so that no other call delays a renewal, nor a call of its own that has no answer."""


async def serve(settings: Settings) -> None:
    """Build all parts, work until the operator ends, and close them in order."""
    namespace = own_namespace(settings)
    if namespace is None:
        raise ConfigurationError(
            "the background role needs a namespace for its Lease: set namespace, or POD_NAMESPACE in the environment"
        )
    # Reads never wait for the writes of verdicts.
    api = KubernetesApi(load_configuration(), threads=THREADS + WRITES_AT_ONCE)
    engine = build_engine(settings, account_calls_per_second=settings.background.calls_per_second)
    watched = cluster_sources(settings, api, engine, writes_statuses=False)
    lease_api = KubernetesApi(load_configuration(), threads=LEASE_THREADS, call_seconds=LeaseTimes().call)
    lease = LeaderLease(
        lease_api,
        namespace=namespace,
        name=settings.background.lease_name,
        candidate=own_identity(),
        works=lambda: leading.is_working and parts.work.is_watching,
    )
    parts = Parts(watched, settings, namespace=namespace, leads=lambda: lease.leads, gap=lambda: lease.gap)
    leading = Leading(lambda: lease.leads, ready=lambda: not parts.unmet(), work=parts.work.run)
    clock_watch = watch_clock(engine, jumped=parts.work.judge_all)
    metrics: Listener = metrics_listener(engine.metrics, probe_routes(parts.unmet, lambda: metrics.table))
    for counter in parts.counts.all():
        engine.metrics.registry.register(counter)
    engine.metrics.registry.register(ServerMetrics(lambda: [one for one in (metrics, page) if one.port]))
    engine.metrics.registry.register(
        BackgroundMetrics(
            pods=parts.pods,
            stored=parts.stored,
            work=parts.work,
            leads=lambda: lease.leads,
            watches=parts.reflectors,
            lag=lambda: parts.feed.lag_seconds,
        )
    )
    if settings.background.repository_postures:
        engine.metrics.registry.register(PostureMetrics(parts.postures.report, names=False))
        watch_left_out(engine.metrics, lambda: parts.postures.left_out)
    await metrics.start(settings.server.host, settings.server.metrics_port)
    page = report_listener(partial(read_verdicts, api), now=engine.clock.now)
    if settings.background.report_port:
        await page.start(ADDRESS, settings.background.report_port)
    identity = asyncio.get_running_loop().create_task(log_identity(engine))
    gc.collect()
    gc.freeze()
    try:
        await run_operator(
            configuration=api.configuration,
            host=None,
            policies=watched.policies,
            exceptions=watched.exceptions,
            trust_stores=watched.trust_stores,
            namespaces=watched.namespaces,
            background=(
                *watched.keeps,
                *(one.run for one in parts.reflectors.values()),
                clock_watch.run,
                lease.run,
                leading.run,
            ),
        )
    finally:
        identity.cancel()
        for listener in (page, metrics):
            if listener.port:
                await listener.drain(0)
        lease_api.close()
        watched.close()


class Parts:
    """What the role is made of, beside the sources that it shares with the admission role."""

    def __init__(
        self,
        watched: ClusterSources,
        settings: Settings,
        *,
        namespace: str,
        leads: Callable[[], bool],
        gap: Callable[[], timedelta | None],
    ) -> None:
        api, engine = watched.api, watched.engine
        clock = engine.clock
        self._watched = watched
        self.counts = Counts()
        self.schedule = Schedule(clock)
        self.pods = PodTable()
        self.stored = VerdictHeads(whole=engine.facts.offer, gone=engine.facts.stored.drop)
        self.evidence = HeldEvidence(collector=engine.collector, facts=engine.facts, clock=clock)
        self.reread = Reread(
            clock=clock,
            registries=self.evidence.in_ecr,
            images=lambda registry: self.evidence.in_ecr().get(registry, []),
            basic=lambda registry: self.feed.is_without_delta(registry),  # noqa: PLW0108 - the feed is made below
            changed=lambda changes: self.work.changed(changes),  # noqa: PLW0108 - the work is made below
        )
        self.feed = ChangeFeed(
            source=engine.changes,
            limiters=engine.limiters,
            clock=clock,
            registries=self.evidence.scanned,
            scan_type=engine.facts.scan_types.get,
            changed=lambda changes: self.work.changed(changes),  # noqa: PLW0108 - as above
            everything=self.reread.everything,
        )
        self.events = build_event_source(
            engine,
            registries=lambda: self.work.registries,
            changed=lambda changes: self.work.changed(changes),  # noqa: PLW0108 - as above
            everything=self.reread.everything,
        )
        self.postures = RepositoryPostures(
            facts=PostureFacts(
                registries=engine.facts.configurations.registries,
                repositories=engine.facts.configurations.repositories,
                images=partial(_lifecycle_images, engine),
            ),
            in_use=self.pods.all_images,
            policies=watched.policies.current,
            store=PostureObjects(api, clock, self.counts),
            clock=clock,
        )
        book = ReportBook()
        self._reports = PolicyReportWriter(
            api,
            book,
            is_complete=lambda: self.work.is_complete(),  # noqa: PLW0108 - as above
            now=clock.now,
        )
        self.work = Work(
            pods=self.pods,
            stored=self.stored,
            judge=UsesJudge(
                policies=watched.policies, namespaces=watched.namespaces, platforms=watched.platforms, clock=clock
            ),
            evidence=self.evidence,
            owners=Owners(api),
            writer=VerdictWriter(
                api,
                stored=self.stored,
                clock=clock,
                counts=self.counts,
                leads=leads,
                again=self.schedule.add_later,
                unbroken_since=self.feed.unbroken_since,
            ),
            events=Events(api, clock=clock, counts=self.counts),
            schedule=self.schedule,
            clock=clock,
            counts=self.counts,
            beside=(
                self._follow,
                *([self._reports.run] if settings.background.policy_reports else []),
                *([self.postures.run] if settings.background.repository_postures else []),
            ),
            sinks=[book],
            gap=gap,
            silence_seconds=lambda: self.reflectors["pods"].age_seconds,
        )
        self.progress = Progress(
            api,
            namespace=namespace,
            name=settings.image_verdicts.change_feed,
            feed=self.feed,
            reread=self.reread,
            unread=self.work,
        )
        exempt = settings.background.exempt_namespaces
        self.reflectors: dict[str, Reflector[Any]] = {
            "pods": Reflector("Pods", api, PODS_PATH, decode=decode_pod, sink=self.pods, query=pods_query(exempt)),
            "imageverdicts": Reflector(
                "ImageVerdicts", api, VERDICTS_PATH, decode=self.stored.decode, sink=self.stored
            ),
        }

    def unmet(self) -> list[str]:
        """Return what has to be known before the work may begin, as parts of a sentence."""
        known = {
            "the policies": self._watched.policies.current().synced,
            "the namespaces": self._watched.namespaces.age_seconds < float("inf"),
            "the Pods": self.pods.is_listed,
            "the ImageVerdicts": self.stored.is_listed,
        }
        return [f"{name} have not been read yet" for name, is_known in known.items() if not is_known]

    async def _follow(self) -> None:
        """Follow what changes at AWS, from where the leader before has left off, once it is known what is in use."""
        await self.work.considered.wait()
        await self.progress.restore()
        for registry in self.evidence.scanned():
            if self.feed.confirmed_at(registry) is None:
                # Nothing says what changed since the stored evidence was looked up.
                self.reread.everything(registry)
        async with asyncio.TaskGroup() as group:
            for work in (
                self.feed.run,
                self.reread.run,
                self.progress.run,
                *([self.events.run] if self.events else ()),
            ):
                group.create_task(work())


async def _lifecycle_images(
    engine: Engine, repository: EcrRepository, configuration: RepositoryConfiguration
) -> Answer[tuple[StoredImage, ...]]:
    """Return the images of a repository for its lifecycle policy, listed within the rate of the API."""
    limiter = engine.limiters.limiter("ecr:DescribeImages", repository.registry)
    found = await limiter.ask(partial(engine.configuration.lifecycle_images, repository, configuration))
    if isinstance(found, Missing):
        return SourceUnavailableError(found.cause, found.source)
    if isinstance(found, UnknownRegionError):
        return SourceUnavailableError(Cause.INTERNAL, limiter.source, str(found))
    return found
