"""The admission role: the server, what it watches and how it ends, built from the settings and run by kopf."""

import asyncio
import gc
from collections.abc import Awaitable, Sequence
from pathlib import Path

import structlog
import uvloop

from tidegate import __version__
from tidegate.admission.request import BadReviewError
from tidegate.admission.reviewer import Reviewer
from tidegate.app.engine import Engine, build_engine
from tidegate.evidence.unavailable import AwsUnavailableError
from tidegate.kube.api import KubernetesApi
from tidegate.kube.connection import load_configuration
from tidegate.kube.namespaces import WatchedNamespaces
from tidegate.kube.operator import run_operator
from tidegate.kube.platforms import NodePlatforms
from tidegate.kube.policies import WatchedPolicies
from tidegate.kube.server import (
    AdmissionServer,
    BadRequest,
    KopfHost,
    Listener,
    Reply,
    Request,
    Responder,
    Route,
    ServerTLS,
    TLSFiles,
)
from tidegate.settings import Settings
from tidegate.telemetry.log import configure_logging
from tidegate.telemetry.metrics import Metrics

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_log = structlog.get_logger(__name__)


def run_admission(settings: Settings) -> None:
    """Run the admission role until SIGTERM; raise ConfigurationError when it cannot start."""
    listener = configure_logging(level=settings.log.level, form=settings.log.format)
    try:
        uvloop.run(serve(settings))
    finally:
        listener.stop()


async def serve(settings: Settings) -> None:
    """Build everything, serve, and end in order."""
    configuration = load_configuration()
    api = KubernetesApi(configuration)
    engine = build_engine(settings)
    policies, namespaces, platforms = WatchedPolicies(api), WatchedNamespaces(api), NodePlatforms(api)
    reviewer = Reviewer(
        policies=policies,
        namespaces=namespaces,
        platforms=platforms,
        evidence=engine.collector,
        clock=engine.clock,
        observer=engine.observer,
        audit_only=settings.audit_only,
        timeout_seconds=settings.server.webhook_timeout_seconds,
    )
    watch_policies(engine.metrics, policies)
    server = AdmissionServer(
        responder=responder(reviewer), readiness=lambda: unmet(policies), tls=serving_tls(settings)
    )
    host = KopfHost(
        server=server,
        host=settings.server.host,
        port=settings.server.port,
        client_config={},
        drain_seconds=settings.server.drain_seconds,
    )
    metrics = metrics_listener(engine.metrics)
    await metrics.start(settings.server.host, settings.server.metrics_port)
    identity = asyncio.get_running_loop().create_task(asyncio.to_thread(_say_identity, engine))
    freeze_start_up_objects()
    try:
        await run_operator(
            configuration=configuration,
            host=host,
            policies=policies,
            namespaces=namespaces,
            background=(platforms.run,),
        )
    finally:
        identity.cancel()
        await metrics.drain(0)
        engine.lines.close()
        api.close()


def responder(reviewer: Reviewer) -> Responder:
    """Return the reviewer as the server calls it: what is not an AdmissionReview at all is a bad request."""

    def respond(body: bytes, deadline_seconds: float | None, /) -> bytes | Awaitable[bytes]:
        try:
            return reviewer.review(body, deadline_seconds)
        except BadReviewError as problem:
            raise BadRequest(str(problem)) from problem

    return respond


def unmet(policies: WatchedPolicies) -> Sequence[str]:
    """Return why the server is not ready."""
    return () if policies.current().synced else ("the image policies have not been read yet",)


def serving_tls(settings: Settings) -> ServerTLS:
    """Return the TLS that the server starts with."""
    certificate = settings.certificate
    return ServerTLS.from_files(TLSFiles(certificate=Path(certificate.cert_file), key=Path(certificate.key_file)))


def metrics_listener(metrics: Metrics) -> Listener:
    """Return the plain HTTP listener for Prometheus."""

    def answer(_request: Request) -> Reply:
        return Reply(body=metrics.render(), content_type=METRICS_TYPE)

    return Listener(name="metrics", routes=(Route(method="GET", path="/metrics", handler=answer),), tls=None)


def watch_policies(metrics: Metrics, policies: WatchedPolicies) -> None:
    """Add gauges of the policies in force."""
    metrics.watch("tidegate_policies", "Policies in force.", lambda: len(policies.current().policies))
    metrics.watch("tidegate_policies_broken", "Policies that cannot be used.", lambda: len(policies.current().broken))
    metrics.watch("tidegate_policies_age_seconds", "Seconds since policies were read.", lambda: policies.age_seconds)


def freeze_start_up_objects() -> None:
    """Take what was made at start out of the garbage collector's sight: its full runs would cost tens of ms."""
    gc.collect()
    gc.freeze()


def _say_identity(engine: Engine) -> None:
    """Log who AWS thinks this process is, which is the first question of every permission problem."""
    try:
        caller = engine.identity.caller_arn()
    except AwsUnavailableError as problem:
        _log.warning("AWS does not say who this process is", cause=problem.cause.value, detail=problem.detail)
    else:
        _log.info("AWS identity", caller=caller, version=__version__)
