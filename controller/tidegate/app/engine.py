"""The engine, which collects evidence about images: built from the settings, for the controller and the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from tidegate.aws.accounts import AwsSettings, RegistryAccount, ScannerChoice
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.ecr_configuration import EcrConfiguration
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.aws.inspector_changes import InspectorChanges
from tidegate.aws.kms import Kms
from tidegate.aws.queue import SqsQueue
from tidegate.aws.queue_url import parse_queue_url
from tidegate.aws.signer import Signer
from tidegate.egress.hosts import HostList
from tidegate.evidence.clock import Clock
from tidegate.evidence.ports import CallGate, ChangeSource
from tidegate.gather.account_pace import AccountPace
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.bounded_cache import Budget
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.clock import SystemClock
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups
from tidegate.gather.sources import Sources
from tidegate.registry.access import RegistryAccess
from tidegate.registry.registries import OciRegistries
from tidegate.revocation.services import HttpRevocationServices
from tidegate.settings import Aws, Settings, TrustStoreSettings
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.observer import Observer
from tidegate.trust.tuf.repository import TufRoots

CACHED: Mapping[str, str] = MappingProxyType(
    {
        "details": "Cached images: digest, media type, status, tags.",
        "settings": "Cached repositories: tag mutability.",
        "registry_configurations": "Cached configurations of registries: policy, scanning, rules.",
        "repository_configurations": "Cached configurations of repositories: policy, lifecycle policy, encryption, scanning.",
        "scan_types": "Cached registries: the scanner that they use.",
        "scans": "Cached scan coverages with their findings.",
        "indexes": "Cached index images with their children.",
        "descriptors": "Cached manifest descriptors, for comparison with signatures.",
        "signatures": "Cached images with their signatures.",
        "signing_statuses": "Cached responses about Amazon ECR managed signing.",
        "proofs": "Cached results of signature verifications.",
        "revocations": "Cached responses of OCSP responders and AWS Signer.",
        "revocation_lists": "Cached certificate revocation lists.",
    }
)
"""What each cache keeps, for the metric of its size."""
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The collector of evidence with its sources, metrics and logs.

    ``identity`` returns the caller's ARN. ``configuration`` reads that of registries, past the collector's cache. ``changes``
    lists what changed at AWS. ``kms`` and ``trusted_roots`` are for the callers: the collector does not use them.
    """

    clock: Clock
    collector: Collector
    facts: Lookups
    limiters: ApiLimiters
    metrics: Metrics
    observer: Observer
    changes: ChangeSource
    identity: Identity
    configuration: EcrConfiguration
    kms: Kms
    trusted_roots: TufRoots
    other_registries: OciRegistries
    revocation_services: HttpRevocationServices
    event_queue: SqsQueue | None = None

    def close(self) -> None:
        """Start no further work; work that is running ends by itself."""
        self.limiters.close()
        self.facts.verifications.close()
        self.other_registries.close()
        self.revocation_services.close()


def build_engine(
    settings: Settings,
    *,
    clock: Clock | None = None,
    account_calls_per_second: float | None = None,
    observed: Callable[[Sources], Sources] = lambda sources: sources,
) -> Engine:
    """Return the engine for the settings. It makes no calls.

    With ``account_calls_per_second``, calls to each AWS account wait for their turn: no request may wait for this engine.
    ``observed`` returns the sources to ask in place of those that ask AWS, which it may pass the questions to.
    """
    clock = clock or SystemClock()
    metrics = Metrics()
    observer = Observer(metrics)
    accounting = CallAccounting()
    gate: CallGate = accounting
    if account_calls_per_second is not None:
        gate = AccountPace(accounting, per_second=account_calls_per_second)
    clients = Clients(aws_settings(settings.aws), gate=gate)
    identity = Identity(clients)
    ecr, signatures = Ecr(clients, identity), EcrSignatures(clients)
    configuration = EcrConfiguration(clients, identity)
    accesses = [RegistryAccess(**msgspec.structs.asdict(one)) for one in settings.registries]
    other_registries = OciRegistries(accesses, gate=gate)
    revocation_hosts = HostList(
        settings.revocation.allowed_hosts,
        settings.revocation.private_hosts,
        settings=("revocation.allowedHosts", "revocation.privateHosts"),
    )
    revocation_services = HttpRevocationServices(revocation_hosts, gate=gate)
    sources = Sources(
        images=ecr,
        manifests=ecr,
        repositories=ecr,
        scan_types=ecr,
        basic_scans=ecr,
        inspections=Inspector(clients),
        signatures=signatures,
        signing=signatures,
        signer=Signer(clients),
        other_registries=other_registries,
        revocation_services=revocation_services,
        configurations=configuration,
    )
    sources = observed(sources)
    rate = api_rate(settings.aws, account_calls_per_second)
    limiters = ApiLimiters(clock=clock, rate=rate, observer=observer, accounting=accounting)
    budget = Budget(settings.cache.memory_mebibytes * MEBIBYTE)
    facts = Lookups(sources=sources, limiters=limiters, clock=clock, limit=settings.cache.images, budget=budget)
    for name, cache in facts.caches().items():
        metrics.watch(f"tidegate_cached_{name}", CACHED[name], cache.__len__)
    metrics.watch(
        "tidegate_cached_bytes",
        "Approximate memory of all caches, in bytes; limited by `cache.memoryMebibytes`.",
        lambda: budget.used,
    )
    return Engine(
        clock=clock,
        collector=Collector(facts, clock),
        facts=facts,
        limiters=limiters,
        metrics=metrics,
        observer=observer,
        changes=InspectorChanges(clients),
        identity=identity,
        configuration=configuration,
        kms=Kms(clients),
        trusted_roots=tuf_roots(settings.trust_stores),
        other_registries=other_registries,
        revocation_services=revocation_services,
        event_queue=None if clients.settings.event_queue is None else SqsQueue(clients, clients.settings.event_queue),
    )


def api_rate(aws: Aws, account_calls_per_second: float | None) -> RateLimit:
    """Return the rate of each API: at most that of the account, so that ids wait where they fill batches."""
    if account_calls_per_second is None:
        return RateLimit(per_second=aws.rate_per_second, burst=aws.burst)
    per_second = min(aws.rate_per_second, account_calls_per_second)
    return RateLimit(per_second=per_second, burst=max(1, min(aws.burst, int(account_calls_per_second))))


def tuf_roots(wanted: TrustStoreSettings) -> TufRoots:
    """Return the client for the TUF repositories of trust stores."""
    hosts = HostList((), wanted.private_hosts, settings=("trustStores.hosts", "trustStores.privateHosts"))
    return TufRoots(Path(wanted.cache_folder), hosts=hosts)


def aws_settings(aws: Aws) -> AwsSettings:
    """Convert the configuration file's section to the settings of the AWS clients."""
    urls = msgspec.structs.asdict(aws.endpoints)
    urls["signer-data"] = urls.pop("signer")
    return AwsSettings(
        accounts=tuple(
            RegistryAccount(**msgspec.structs.asdict(one) | {"scanner": ScannerChoice(one.scanner)})
            for one in aws.accounts
        ),
        endpoint_urls={service: url for service, url in urls.items() if url is not None},
        region=aws.region,
        event_queue=None if aws.event_queue_url is None else parse_queue_url(aws.event_queue_url),
    )
