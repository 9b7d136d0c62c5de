"""The admission role: the webhook server and its watches, built from the settings and run by kopf."""

import asyncio
import gc
from collections.abc import Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

from tidegate.admission.pinning import Pinner
from tidegate.admission.request import BadReviewError
from tidegate.admission.reviewer import Reviewer
from tidegate.app.allocator import give_memory_back
from tidegate.app.engine import Engine, build_engine
from tidegate.app.server_metrics import ServerMetrics
from tidegate.app.sources import cluster_sources, log_identity, metrics_listener, own_namespace, watch_clock
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.change_feed import WatchedChangeFeed
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.image_verdicts import WatchedVerdicts
from tidegate.cluster.namespaces import WatchedNamespaces
from tidegate.cluster.platforms import NodePlatforms
from tidegate.cluster.policies import WatchedPolicies
from tidegate.errors import ConfigurationError
from tidegate.evidence.clock import Clock
from tidegate.gather.collector import Collector
from tidegate.settings import Settings
from tidegate.verdicts.running import RunningImages
from tidegate.webhook.certificate import MUTATING, CaBundle, CertificateFiles, ServingCertificate, SharedCertificate
from tidegate.webhook.kopf_host import KopfHost
from tidegate.webhook.operator import Forever, run_operator
from tidegate.webhook.self_check import SelfCheck, WithoutSelfChecks
from tidegate.webhook.server import (
    AdmissionServer,
    BadRequest,
    Responder,
    ServerLimits,
    ServerTLS,
)

OWN_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
"""The address at which a server that listens on all addresses reaches itself."""


class WebhookSources(TypedDict):
    """What both reviewers judge with."""

    policies: WatchedPolicies
    namespaces: WatchedNamespaces
    platforms: NodePlatforms
    evidence: Collector
    clock: Clock
    timeout_seconds: float
    running: RunningImages


async def serve(settings: Settings) -> None:
    """Build all parts, serve until the operator ends, and close them in order."""
    api = KubernetesApi(load_configuration())
    engine = build_engine(settings)
    watched = cluster_sources(settings, api, engine, writes_statuses=True)
    policies = watched.policies
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
        namespaces=watched.namespaces,
        platforms=watched.platforms,
        evidence=engine.collector,
        clock=engine.clock,
        timeout_seconds=settings.server.webhook_timeout_seconds,
        running=verdicts.running,
    )
    reviewer = partial(Reviewer, **sources, observer=WithoutSelfChecks(engine.observer))
    reviewers = [reviewer(audit_only=settings.audit_only), reviewer(audit_only=True)]
    pinner = Pinner(
        policies=policies,
        namespaces=watched.namespaces,
        verdicts=reviewers[0].verdicts,
        clock=engine.clock,
        timeout_seconds=settings.server.webhook_timeout_seconds,
    )
    clock_watch = watch_clock(engine, jumped=lambda: forget_verdicts(reviewers))
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
    metrics = metrics_listener(engine.metrics, server.probes())
    engine.metrics.registry.register(ServerMetrics(lambda: [one for one in (server, metrics) if one.port]))
    await metrics.start(settings.server.host, settings.server.metrics_port)
    identity = asyncio.get_running_loop().create_task(log_identity(engine))
    # The objects made so far live as long as the process. Without them a full garbage collection saves tens of ms.
    gc.collect()
    gc.freeze()
    try:
        await run_operator(
            configuration=api.configuration,
            host=host,
            policies=policies,
            exceptions=watched.exceptions,
            trust_stores=watched.trust_stores,
            namespaces=watched.namespaces,
            background=(
                *watched.keeps,
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
        watched.close()


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
