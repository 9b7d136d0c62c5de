"""Sends single requests, each through the gate that counts calls, and with the registry's own CA file."""

import ssl
from collections.abc import Iterable
from time import monotonic

from tidegate.egress.addresses import LookUp, system_look_up
from tidegate.egress.errors import EgressError
from tidegate.egress.exchange import Egress, HttpRequest, HttpResponse
from tidegate.egress.wire import SecondsLeft
from tidegate.errors import ConfigurationError
from tidegate.evidence.noted_call import noted
from tidegate.evidence.ports import CallGate
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import OciRegistry
from tidegate.registry.access import RegistryHosts
from tidegate.registry.errors import of_egress


class Sender:
    """Sends requests. Registries with a CA file of their own share no connections with others."""

    def __init__(
        self, ca_files: Iterable[str | None], *, gate: CallGate | None = None, look_up: LookUp = system_look_up
    ) -> None:
        """Read the CA files; raise ConfigurationError if one cannot be used."""
        self._gate = gate
        self._egresses = {
            each: Egress(tls=None if each is None else _trusting(each), look_up=look_up) for each in {None, *ca_files}
        }

    def close(self) -> None:
        """Close the connections that are kept."""
        for egress in self._egresses.values():
            egress.close()

    def send(
        self, source: str, registry: OciRegistry, hosts: RegistryHosts, request: HttpRequest, seconds_left: SecondsLeft
    ) -> HttpResponse:
        """Return the answer, whatever its status; raise SourceUnavailableError if there is none."""
        with noted(self._gate, source, registry, monotonic) as call:
            try:
                return self._egresses[hosts.access.ca_file].send(request, seconds_left=seconds_left)
            except EgressError as exc:
                raise call.failed(of_egress(exc, source)) from exc
            except SourceUnavailableError as exc:
                call.failed(exc)
                raise


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of a file; raise ConfigurationError."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"registries: caFile {ca_file} has no readable certificates: {exc}") from exc
    return context
