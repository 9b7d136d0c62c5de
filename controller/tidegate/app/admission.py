"""The admission role: the webhook server and its watches, built from the settings and run by kopf."""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import structlog
import uvloop

from tidegate import __version__
from tidegate.admission.known_bad import POLICY as KNOWN_BAD
from tidegate.admission.pinning import Pinner
from tidegate.admission.request import BadReviewError
from tidegate.admission.reviewer import Reviewer
from tidegate.app.allocator import give_memory_back, set_up_allocator
from tidegate.app.engine import Engine, build_engine
from tidegate.app.fatal import clear_end, end_clearly
from tidegate.app.server_metrics import ServerMetrics
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.change_feed import WatchedChangeFeed
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.exceptions import AllExceptions
from tidegate.cluster.image_verdicts import WatchedVerdicts
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.platforms import NodePlatforms
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust import WatchedTrust
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.errors import ConfigurationError
from tidegate.evidence.clock import Clock
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.gather.clock import ClockWatch
from tidegate.gather.collector import Collector
from tidegate.policy.trust_stores import BrokenTrustStore
from tidegate.settings import Settings
from tidegate.signing.prepare import warm_up
from tidegate.telemetry.exceptions import ExceptionMetrics
from tidegate.telemetry.log import configure_logging
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.registries import listed_registry_keys
from tidegate.trust.kms_keys import KmsKeys
from tidegate.trust.trusted_roots import FetchedRoots
from tidegate.verdicts.running import RunningImages
from tidegate.webhook.certificate import MUTATING, CaBundle, CertificateFiles, ServingCertificate, SharedCertificate
from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.operator import Forever, run_operator
from tidegate.webhook.self_check import SelfCheck, WithoutSelfChecks
from tidegate.webhook.server import (
    AdmissionServer,
    BadRequest,
    Listener,
    Responder,
    Route,
    ServerLimits,
    ServerResponse,
    ServerTLS,
)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS_CONNECTIONS = 64
"""Connections of Prometheus and the kubelet."""
SWITCH_SECONDS = 0.001
"""How long a thread holds Python's lock while others wait. The event loop waits that long for each thread that verifies
signatures or reads a response. Python's default is five times as long."""
OWN_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
"""The address at which a server that listens on all addresses reaches itself."""

_log = structlog.get_logger(__name__)


class WebhookSources(TypedDict):
    """What both reviewers judge with."""

    policies: WatchedPolicies
    namespaces: WatchedNamespaces
    platforms: NodePlatforms
    evidence: Collector
    clock: Clock
    timeout_seconds: float
    running: RunningImages


def run_admission(settings: Settings) -> None:
    """Run the admission role until SIGTERM; raise ConfigurationError if it cannot start."""
    sys.setswitchinterval(SWITCH_SECONDS)
    set_up_allocator()
    listener = configure_logging(level=settings.log.level, form=settings.log.format)
    try:
        with clear_end():
            uvloop.run(serve(settings))
    finally:
        listener.stop()


async def serve(settings: Settings) -> None:
    """Build all parts, serve until the operator ends, and close them in order."""
    end_clearly(asyncio.get_running_loop())
    configuration = load_configuration()
    api = KubernetesApi(configuration)
    engine = build_engine(settings)
    roots = FetchedRoots(engine.trusted_roots)
    stores = WatchedTrustStores(api, namespace=own_namespace(settings), roots=roots)
    roots.notify(stores.mark_dirty)
    trust = WatchedTrust(stores, KmsKeys(engine.kms))
    exceptions = AllExceptions(api)
    policies = watched_policies(api, trust, exceptions)
    namespaces, platforms = WatchedNamespaces(api), NodePlatforms(api)
    verdicts = watched_verdicts(engine, api)
    certificate = serving_certificate(settings, api)
    pair = await certificate.obtain()
    tls = ServerTLS(pair.certificate_pem, pair.key_pem, client_authorities_pem=client_authorities(settings))
    readiness = SelfCheck(
        policies=policies,
        certificate=certificate,
        port=lambda: server.port,
        host=OWN_ADDRESSES.get(settings.server.host, settings.server.host),
        audit_only=settings.audit_only,
        client=lambda: tls.own_client,
        is_loading=lambda: policies.is_loading() or verdicts.is_loading(),
        expect=lambda status, count: server.expect(status, count),  # noqa: PLW0108 - the server is made below
    )
    sources = WebhookSources(
        policies=policies,
        namespaces=namespaces,
        platforms=platforms,
        evidence=engine.collector,
        clock=engine.clock,
        timeout_seconds=settings.server.webhook_timeout_seconds,
        running=verdicts.running,
    )
    reviewer = partial(Reviewer, **sources, observer=WithoutSelfChecks(engine.observer))
    reviewers = [reviewer(audit_only=settings.audit_only), reviewer(audit_only=True)]
    pinner = Pinner(
        policies=policies,
        namespaces=namespaces,
        verdicts=reviewers[0].verdicts,
        clock=engine.clock,
        timeout_seconds=settings.server.webhook_timeout_seconds,
    )
    clock_watch = watch_clock(engine, reviewers)
    verdicts.expired = lambda: forget_verdicts(reviewers)
    server = AdmissionServer(
        responder=responder(reviewers[0]),
        audit_responder=responder(reviewers[1]),
        mutating_responder=responder(pinner) if settings.digest_pinning else None,
        readiness=readiness.unmet,
        tls=tls,
        limits=ServerLimits(max_connections=settings.server.max_connections),
    )
    host = KopfHost(
        server=server,
        host=settings.server.host,
        port=settings.server.port,
        client_config={},
        drain_seconds=settings.server.drain_seconds,
    )
    watch_policies(engine.metrics, policies)
    engine.metrics.registry.register(ExceptionMetrics(exceptions.states, exceptions.left_out))
    engine.observer.registries.listed = lambda: listed_registry_keys(policies.current().policies)
    watch_trust_stores(engine.metrics, stores)
    metrics = metrics_listener(engine.metrics, server)
    engine.metrics.registry.register(ServerMetrics(lambda: [one for one in (server, metrics) if one.port]))
    await metrics.start(settings.server.host, settings.server.metrics_port)
    identity = asyncio.get_running_loop().create_task(asyncio.to_thread(_log_identity, engine))
    # The objects made so far live as long as the process. Without them a full garbage collection saves tens of ms.
    gc.collect()
    gc.freeze()
    try:
        await run_operator(
            configuration=configuration,
            host=host,
            policies=policies,
            exceptions=exceptions,
            trust_stores=stores,
            namespaces=namespaces,
            background=(
                platforms.run,
                trust.keys.run,
                roots.run,
                readiness.run,
                clock_watch.run,
                verdicts.run,
                *change_feed(settings, api, engine),
                lambda: certificate.run(tls.reload),
                lambda: give_memory_back(lambda: server.table.closed),
            ),
        )
    finally:
        identity.cancel()
        await metrics.drain(0)
        engine.close()
        api.close()


def watched_policies(api: KubernetesApi, trust: WatchedTrust, exceptions: AllExceptions) -> WatchedPolicies:
    """Return the policies with their exceptions, and with signature verification warmed up for each snapshot."""
    policies = WatchedPolicies(api, trust=trust, exceptions=exceptions, warm_up=warm_up)
    exceptions.follow(policies)
    return policies


def watch_clock(engine: Engine, reviewers: Sequence[Reviewer]) -> ClockWatch:
    """Return the watch that counts jumps of the wall clock and makes reviewers forget their verdicts at each."""
    watch = ClockWatch(engine.clock, jumped=lambda: forget_verdicts(reviewers))
    text = "Jumps of the wall clock by five seconds or more since the start; the log has each with its size."
    engine.metrics.watch("tidegate_clock_jumps", text, lambda: watch.jumps)
    return watch


def forget_verdicts(reviewers: Sequence[Reviewer]) -> None:
    """Have reviewers judge every image anew."""
    for one in reviewers:
        one.forget()


def watched_verdicts(engine: Engine, api: KubernetesApi) -> WatchedVerdicts:
    """Return the ImageVerdicts, which give the engine what it knows while AWS cannot be reached, and their metrics."""
    stored = engine.facts.stored
    verdicts = WatchedVerdicts(api, offer=engine.facts.offer, forget=stored.drop)
    watch = engine.metrics.watch
    watch(
        "tidegate_image_verdicts",
        "ImageVerdicts that are valid: images that can be judged while AWS cannot be reached.",
        verdicts.__len__,
    )
    watch(
        "tidegate_image_verdicts_invalid",
        "ImageVerdicts that are not used: edited, or of another version.",
        lambda: verdicts.invalid,
    )
    watch(
        "tidegate_image_verdicts_bytes",
        "Memory of the facts of ImageVerdicts, in bytes; at most 128 MiB.",
        lambda: stored.size,
    )
    age = "Seconds since the API server last sent ImageVerdicts or said that nothing changed."
    watch("tidegate_image_verdicts_age_seconds", age, lambda: verdicts.age_seconds)
    return verdicts


def change_feed(settings: Settings, api: KubernetesApi, engine: Engine) -> Sequence[Forever]:
    """Return what reads how far the background role has followed each registry; nothing outside of a cluster."""
    namespace, name = own_namespace(settings), settings.image_verdicts.change_feed
    if namespace is None:
        return ()
    feed = WatchedChangeFeed(api, namespace=namespace, name=name, confirm=engine.facts.stored.confirm)
    return (feed.run,)


def own_namespace(settings: Settings) -> str | None:
    """Return the namespace that this process runs in, or None if it is unknown."""
    return settings.namespace or os.environ.get("POD_NAMESPACE") or None


def serving_certificate(settings: Settings, api: KubernetesApi) -> ServingCertificate:
    """Return the source of the serving certificate: files, or a Secret that replicas share."""
    wanted = settings.certificate
    if wanted.mode == "files":
        return CertificateFiles(Path(wanted.cert_file), Path(wanted.key_file))
    namespace = own_namespace(settings)
    if namespace is None:
        raise ConfigurationError(
            "certificate.mode self needs a namespace: set namespace, or POD_NAMESPACE in the environment"
        )
    return SharedCertificate(
        api,
        namespace=namespace,
        secret_name=wanted.secret_name,
        service_name=wanted.service_name,
        dns_names=wanted.dns_names,
        bundle=CaBundle(api, wanted.webhook_configuration_name),
        pinning_bundle=(
            CaBundle(api, wanted.webhook_configuration_name, resource=MUTATING) if settings.digest_pinning else None
        ),
    )


def responder(reviewer: Reviewer | Pinner) -> Responder:
    """Return the reviewer as the server calls it: an invalid AdmissionReview is a BadRequest."""

    def respond(body: bytes, deadline_seconds: float | None, /) -> bytes | Awaitable[bytes]:
        try:
            return reviewer.review(body, deadline_seconds)
        except BadReviewError as problem:
            raise BadRequest(str(problem)) from problem

    return respond


def client_authorities(settings: Settings) -> bytes | None:
    """Return the CAs of the API server's client certificate as PEM, or None if clients need no certificate."""
    path = settings.server.client_ca_file
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"server.clientCaFile cannot be read: {error}") from error


def metrics_listener(metrics: Metrics, server: AdmissionServer) -> Listener:
    """Return the plain HTTP listener for Prometheus, and for the kubelet's probes if clients need a certificate."""

    def answer(_body: bytes, _deadline_seconds: float | None) -> ServerResponse:
        return ServerResponse(body=metrics.render(), content_type=METRICS_TYPE)

    routes = (Route(method="GET", path="/metrics", handler=answer), *server.probes())
    return Listener(name="metrics", routes=routes, limits=ServerLimits(max_connections=METRICS_CONNECTIONS), tls=None)


def watch_policies(metrics: Metrics, policies: WatchedPolicies) -> None:
    """Add gauges of the policies in force, without the built-in policy of the self-check."""

    def own() -> int:
        return sum(one.name != KNOWN_BAD.name for one in policies.current().policies)

    metrics.watch("tidegate_policies", "Policies in force.", own)
    metrics.watch(
        "tidegate_policies_broken",
        "Invalid policies: images that they match are refused, or warned about.",
        lambda: len(policies.current().broken),
    )
    metrics.watch(
        "tidegate_policies_age_seconds",
        "Seconds since the policies were last read from the API server.",
        lambda: policies.age_seconds,
    )


def watch_trust_stores(metrics: Metrics, stores: WatchedTrustStores) -> None:
    """Add gauges of the trust stores; before the first list there are none."""

    def broken() -> int:
        return sum(isinstance(one, BrokenTrustStore) for one in stores.current() or ())

    metrics.watch("tidegate_trust_stores", "Trust stores.", lambda: len(stores.current() or ()))
    metrics.watch("tidegate_trust_stores_broken", "Trust stores that are unusable.", broken)
    age = "Seconds since the trust stores were last read."
    metrics.watch("tidegate_trust_stores_age_seconds", age, lambda: stores.age_seconds)


def _log_identity(engine: Engine) -> None:
    """Log the AWS identity of this process, which explains most permission problems."""
    try:
        caller = engine.identity.caller_arn()
    except SourceUnavailableError as problem:
        _log.warning("sts:GetCallerIdentity failed", cause=problem.cause.value, detail=problem.detail)
    else:
        _log.info("AWS identity", caller=caller, version=__version__)
