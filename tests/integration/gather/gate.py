"""The controller without its server: the real engine and reviewer against a simulated AWS, and one clock for both sides."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.distribution import patient
from tests.objects import image_policy
from tests.simulator import Clock, Simulator
from tidegate.admission.decision import Decision
from tidegate.admission.request import AdmissionRequest
from tidegate.admission.reviewer import Reviewer, ReviewObserver
from tidegate.app import engine as engine_module
from tidegate.app.engine import build_engine
from tidegate.aws.accounts import AwsSettings
from tidegate.images.platform import Platform
from tidegate.policy.parse import parse_policy
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST, TrustSnapshot
from tidegate.settings import Aws, Endpoints, RegistryAccountSettings, Settings

OWN, OTHER, REGION = "111122223333", "444455556666", "eu-west-1"
READER = f"arn:aws:iam::{OTHER}:role/tidegate-reader"
NO_CRITICAL = {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}
IMMUTABLE = {"tags": {"immutable": True}}
PLENTY = {"rate_per_second": 500.0, "burst": 1000}


def image(repository: str = "team/app", tag: str = "v1", *, account: str = OWN, region: str = REGION) -> str:
    """The reference of an image, by tag or digest."""
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}{'@' if ':' in tag else ':'}{tag}"


class SharedClock:
    """The time of the simulated world, for the controller too: real time that a test can move on, or stop by ``freeze``."""

    def __init__(self, world: Clock) -> None:
        self._world = world
        self._begun = world.now() - time.monotonic()
        self._off = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now() + self._off, UTC)

    def monotonic(self) -> float:
        return self._world.now() - self._begun

    def jump(self, seconds: float) -> None:
        """Set the controller's wall clock alone."""
        self._off += seconds

    def advance(self, seconds: float) -> None:
        self._world.advance(seconds)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API server is told; and ``causes``, which only the operator is told."""

    allowed: bool
    message: str
    warnings: str
    decision: str
    causes: str = ""

    @classmethod
    def of(cls, body: bytes, causes: Sequence[str] = ()) -> "Answer":
        response = json.loads(body)["response"]
        return cls(
            allowed=response["allowed"],
            message=response.get("status", {}).get("message", ""),
            warnings="\n".join(response.get("warnings", [])),
            decision=response["auditAnnotations"]["decision"],
            causes="\n".join(causes),
        )


class Causes:
    """Hands every decision on, and keeps what operators are told of each."""

    def __init__(self, observer: ReviewObserver) -> None:
        self._observer = observer
        self.by_uid: dict[str, tuple[str, ...]] = {}

    def decided(self, request: AdmissionRequest, decision: Decision, *, seconds: float, waited: bool) -> None:
        self.by_uid[request.uid] = tuple(cause for verdict in decision.verdicts for cause in verdict.causes)
        self._observer.decided(request, decision, seconds=seconds, waited=waited)


class _Policies:
    def __init__(self, spec: Mapping[str, Any], trust: TrustSnapshot) -> None:
        self.apply(spec, trust)

    def apply(self, spec: Mapping[str, Any], trust: TrustSnapshot) -> None:
        policy = parse_policy(image_policy("test", spec, uid="0f1e", generation=1))
        self._snapshot = PolicySnapshot.of([policy], trust)

    def current(self) -> PolicySnapshot:
        return self._snapshot


class _Namespaces:
    def labels(self, name: str) -> Mapping[str, str] | None:
        return {}

    async def fetch_labels(self, name: str, *, deadline: float) -> Mapping[str, str] | None:
        return {}


class _Platforms:
    def __init__(self, platforms: tuple[Platform, ...]) -> None:
        self._platforms = platforms

    def platforms(self) -> tuple[Platform, ...]:
        return self._platforms


class Gate:
    """A controller that was just started; ``more`` are further sections of its settings."""

    def __init__(
        self,
        sim: Simulator,
        spec: Mapping[str, Any],
        *,
        platforms: tuple[Platform, ...] = (),
        accounts: tuple[RegistryAccountSettings, ...] = (),
        trust: TrustSnapshot = NO_TRUST,
        more: Mapping[str, Any] | None = None,
        **aws: Any,
    ) -> None:
        self.clock = SharedClock(sim.clock)
        endpoints = Endpoints(ecr=sim.url, inspector2=sim.url, signer=sim.url, sts=sim.url)
        access = Aws(region=REGION, endpoints=endpoints, accounts=accounts, **(PLENTY | aws))
        settings = Settings(aws=access, **(more or {}))
        self.engine = build_engine(settings, clock=self.clock)
        self.policies = _Policies(spec, trust)
        self.causes = Causes(self.engine.observer)
        self.reviewer = Reviewer(
            policies=self.policies,
            namespaces=_Namespaces(),
            platforms=_Platforms(platforms),
            evidence=self.engine.collector,
            clock=self.clock,
            observer=self.causes,
        )

    def start(self, *images: str, seconds: float = 30.0) -> bytes | Awaitable[bytes]:
        """Hand over the creation of a Pod; the answer is there at once or has to be waited for."""
        return self.reviewer.review(_review(images), seconds)

    async def review(self, *images: str, seconds: float = 30.0) -> Answer:
        """Return the answer to the creation of a Pod."""
        found = self.start(*images, seconds=seconds)
        return self._answer(found if isinstance(found, bytes) else await found)

    async def review_all(self, images: list[str], *, seconds: float = 30.0) -> list[Answer]:
        """Return the answers to the creation of one Pod for each image, all at once."""
        return list(await asyncio.gather(*(self.review(each, seconds=seconds) for each in images)))

    def warm(self, *images: str) -> Answer:
        """Return the answer that must be there at once."""
        found = self.start(*images)
        assert isinstance(found, bytes), "the answer had to be waited for"
        return self._answer(found)

    def _answer(self, body: bytes) -> Answer:
        return Answer.of(body, self.causes.by_uid[json.loads(body)["response"]["uid"]])

    def hold_aws(self) -> "HeldExecutor":
        """Have calls to AWS wait until they are released."""
        limiters = self.engine.limiters
        limiters._executor = held = HeldExecutor(limiters._executor)
        return held

    def is_quiet(self) -> bool:
        """Tell whether no look-up is under way."""
        facts = self.engine.facts
        caches: Any = (facts.details, facts.settings, facts.manifests.runnable, facts.scan_types, facts.scans)
        return not any(cache._flights for cache in caches)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum over all series of a metric that have these labels."""
        return sum(
            sample.value
            for family in self.engine.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class HeldExecutor(Executor):
    """Runs functions in the threads of another, but those that are handed over while it holds only after that."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._held: list[Callable[[], None]] | None = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except Exception as problem:  # noqa: BLE001 - an executor hands every exception to who waits
                future.set_exception(problem)

        if self._held is None:
            self._threads.submit(run)
        else:
            self._held.append(run)
        return future

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for run in held:
            self._threads.submit(run)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def make_impatient(monkeypatch: Any, *, hangs: bool = False, **settings: Any) -> None:
    """Have engines built from now on try once, so that tests of trouble are short; and give up soon where AWS hangs."""
    usual = engine_module.aws_settings
    changes = {"attempts": 1, "read_timeout_seconds": patient(0.5) if hangs else 10.0} | settings

    def impatient(aws: Aws) -> AwsSettings:
        return replace(usual(aws), **changes)

    monkeypatch.setattr(engine_module, "aws_settings", impatient)


def _review(images: tuple[str, ...]) -> bytes:
    containers = [{"name": f"c{number}", "image": text} for number, text in enumerate(images)]
    request = {
        "uid": str(uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ann"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": containers}},
    }
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()
