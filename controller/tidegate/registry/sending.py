"""Sends single requests, each through the gate that counts calls, and with the registry's own CA file."""

import ssl
import threading
from time import monotonic

from tidegate.egress.addresses import LookUp, system_look_up
from tidegate.egress.errors import EgressError
from tidegate.egress.exchange import Egress, HttpRequest, HttpResponse
from tidegate.egress.wire import SecondsLeft
from tidegate.errors import ConfigurationError
from tidegate.evidence.ports import CallGate
from tidegate.images.repository import OciRegistry
from tidegate.registry.access import RegistryHosts
from tidegate.registry.errors import of_egress


class Sender:
    """Sends requests. Registries with a CA file of their own share no connections with others."""

    def __init__(self, *, gate: CallGate | None = None, look_up: LookUp = system_look_up) -> None:
        self._gate = gate
        self._look_up = look_up
        self._lock = threading.Lock()
        self._egresses: dict[str | None, Egress] = {}

    def prepare(self, hosts: RegistryHosts) -> None:
        """Read a registry's CA file, if it has one; raise ConfigurationError if it cannot be used."""
        if hosts.access.ca_file is not None:
            self._egress(hosts.access.ca_file)

    def close(self) -> None:
        """Close the connections that are kept."""
        for egress in list(self._egresses.values()):
            egress.close()

    def send(
        self, source: str, registry: OciRegistry, hosts: RegistryHosts, request: HttpRequest, seconds_left: SecondsLeft
    ) -> HttpResponse:
        """Return the answer, whatever its status; raise SourceUnavailableError if there is none."""
        if self._gate is not None:
            self._gate.enter(source, registry)
        began, cause = monotonic(), None
        try:
            return self._egress(hosts.access.ca_file).send(request, seconds_left=seconds_left)
        except EgressError as exc:
            error = of_egress(exc, source)
            cause = error.cause
            raise error from exc
        finally:
            if self._gate is not None:
                self._gate.leave(source, registry, seconds=monotonic() - began, cause=cause)

    def _egress(self, ca_file: str | None) -> Egress:
        with self._lock:
            if ca_file not in self._egresses:
                tls = None if ca_file is None else _trusting(ca_file)
                self._egresses[ca_file] = Egress(tls=tls, look_up=self._look_up)
            return self._egresses[ca_file]


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of a file; raise ConfigurationError."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"registries: caFile {ca_file} has no readable certificates: {exc}") from exc
    return context
