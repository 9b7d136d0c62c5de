"""The engine: what looks images up, built from the settings; shared by the controller and the command line."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tidegate.aws.accounts import AwsSettings, RegistryAccount, ScannerChoice
from tidegate.aws.clients import Clients
from tidegate.aws.ecr import Ecr
from tidegate.aws.ecr_signatures import EcrSignatures
from tidegate.aws.identity import Identity
from tidegate.aws.inspector import Inspector
from tidegate.aws.kms import Kms
from tidegate.aws.signer import Signer
from tidegate.egress.hosts import HostList
from tidegate.evidence.clock import Clock
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.budget import Budget
from tidegate.gather.call_accounting import CallAccounting
from tidegate.gather.clock import SystemClock
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups
from tidegate.gather.sources import Sources
from tidegate.registry.access import RegistryAccess
from tidegate.registry.registries import OciRegistries
from tidegate.revocation.services import HttpRevocationServices
from tidegate.settings import Aws, OtherRegistrySettings, Revocation, Settings, TrustStoreSettings
from tidegate.telemetry.metrics import Metrics
from tidegate.telemetry.observer import Observer
from tidegate.trust.tuf.repository import TufRoots

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What looks images up, and whom it reports to. ``identity`` says who AWS thinks this process is.

    ``kms`` reads public keys and ``trusted_roots`` fetches Sigstore's; nothing in here asks them.
    """

    clock: Clock
    collector: Collector
    facts: Lookups
    lines: ApiLimiters
    metrics: Metrics
    observer: Observer
    identity: Identity
    kms: Kms
    trusted_roots: TufRoots
    other_registries: OciRegistries
    revocation_services: HttpRevocationServices

    def close(self) -> None:
        """Let what is under way end by itself and start nothing further."""
        self.lines.close()
        self.facts.verifications.close()
        self.other_registries.close()
        self.revocation_services.close()


def build_engine(settings: Settings, *, clock: Clock | None = None) -> Engine:
    """Return the engine for the settings. Nothing is contacted."""
    clock = clock or SystemClock()
    metrics = Metrics()
    observer = Observer(metrics)
    meter = CallAccounting()
    clients = Clients(aws_settings(settings.aws), gate=meter)
    identity = Identity(clients)
    ecr, signatures = Ecr(clients, identity), EcrSignatures(clients)
    other_registries = OciRegistries(registry_accesses(settings.registries), gate=meter)
    revocation_services = HttpRevocationServices(revocation_hosts(settings.revocation), gate=meter)
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
    )
    rate = RateLimit(per_second=settings.aws.rate_per_second, burst=settings.aws.burst)
    lines = ApiLimiters(clock=clock, rate=rate, observer=observer, meter=meter)
    budget = Budget(settings.cache.memory_mebibytes * MEBIBYTE)
    facts = Lookups(sources=sources, lines=lines, clock=clock, limit=settings.cache.images, budget=budget)
    for name, cache in facts.caches().items():
        metrics.watch(f"tidegate_cached_{name}", f"Cached look-ups of the kind {name}.", cache.__len__)
    metrics.watch("tidegate_cached_bytes", "Approximate memory of all caches, in bytes.", lambda: budget.used)
    return Engine(
        clock=clock,
        collector=Collector(facts, clock),
        facts=facts,
        lines=lines,
        metrics=metrics,
        observer=observer,
        identity=identity,
        kms=Kms(clients),
        trusted_roots=tuf_roots(settings.trust_stores),
        other_registries=other_registries,
        revocation_services=revocation_services,
    )


def registry_accesses(registries: Iterable[OtherRegistrySettings]) -> list[RegistryAccess]:
    """Return how registries are asked, for the configuration file's section."""
    return [
        RegistryAccess(
            host=one.host,
            pull_secret_file=one.pull_secret_file,
            ca_file=one.ca_file,
            private_addresses=one.private_addresses,
            token_hosts=one.token_hosts,
            blob_hosts=one.blob_hosts,
        )
        for one in registries
    ]


def revocation_hosts(revocation: Revocation) -> HostList:
    """Return the hosts of the configuration file's section."""
    return HostList(
        revocation.allowed_hosts,
        revocation.private_hosts,
        settings=("revocation.allowedHosts", "revocation.privateHosts"),
    )


def tuf_roots(wanted: TrustStoreSettings) -> TufRoots:
    """Return what fetches trusted roots."""
    hosts = HostList((), wanted.private_hosts, settings=("trustStores.hosts", "trustStores.privateHosts"))
    return TufRoots(Path(wanted.cache_folder), hosts=hosts)


def aws_settings(aws: Aws) -> AwsSettings:
    """Return the AWS edge's settings for the configuration file's section."""
    endpoints = {
        "ecr": aws.endpoints.ecr,
        "inspector2": aws.endpoints.inspector2,
        "kms": aws.endpoints.kms,
        "signer-data": aws.endpoints.signer,
        "sts": aws.endpoints.sts,
    }
    return AwsSettings(
        accounts=tuple(
            RegistryAccount(
                account=one.account,
                role_arn=one.role_arn,
                external_id=one.external_id,
                scanner=ScannerChoice(one.scanner),
            )
            for one in aws.accounts
        ),
        endpoint_urls={service: url for service, url in endpoints.items() if url is not None},
        region=aws.region,
    )
