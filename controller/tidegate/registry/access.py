"""Where a registry is, and which hosts its answers may name: its token service, and where it stores content.

A registry names both, as a realm and as redirects. Its answers do not decide which hosts are contacted: the operator
does, or the lists here for well-known registries.
"""

from dataclasses import dataclass

from tidegate.egress.errors import EgressError, Problem
from tidegate.egress.hosts import DEFAULT_PORTS, HostList, Reach, Target, parse_url
from tidegate.errors import ConfigurationError

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Hosts of the API, if they differ from the host in image references."""
_TOKEN_HOSTS = {"docker.io": ("auth.docker.io",), "registry.gitlab.com": ("gitlab.com",)}
"""Hosts of token services other than the registry's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAccess:
    """How a registry is accessed. ``host`` is as in image references, with its port.

    ``token_hosts`` may receive the pull secret; content is fetched from no hosts but ``blob_hosts``, or from any public
    host if there are none. With ``private_addresses`` they and the registry may have private addresses.
    """

    host: str
    pull_secret_file: str | None = None
    ca_file: str | None = None
    private_addresses: bool = False
    token_hosts: tuple[str, ...] = ()
    blob_hosts: tuple[str, ...] = ()


class RegistryHosts:
    """The hosts of a registry's API and of what it may refer to. Raise ConfigurationError for invalid hosts."""

    def __init__(self, access: RegistryAccess) -> None:
        self.access = access
        self.reach = Reach.PRIVATE if access.private_addresses else Reach.PUBLIC
        try:
            self.api = parse_url(f"https://{_API_HOSTS.get(access.host, access.host)}/v2/")
        except EgressError as exc:
            raise ConfigurationError(f"registries: {access.host!a} is not the host of a registry: {exc}") from exc
        self._tokens = HostList(access.token_hosts, settings=("registries[].tokenHosts", ""))
        self._known_tokens = HostList(_TOKEN_HOSTS.get(access.host, ()))
        self._blobs = HostList(access.blob_hosts, settings=("registries[].blobHosts", ""))

    def endpoint(self, path: str) -> Target:
        """Return the API's address of a path below ``/v2/``."""
        return Target(self.api.scheme, self.api.host, self.api.port, f"{self.api.path}{path}")

    def realm(self, url: str) -> tuple[Target, Reach]:
        """Return the token service that a realm names; raise EgressError if it is not an allowed host."""
        target = parse_url(url)
        if target.origin == self.api.origin or self._tokens.reach(target.host, target.port):
            return target, self.reach
        if self._known_tokens.reach(target.host, target.port):
            return target, Reach.PUBLIC
        raise EgressError(
            Problem.FORBIDDEN_ADDRESS,
            f"{self.access.host} sends for a token to {target.authority}, which is not its own host: "
            f"list that in registries[].tokenHosts if it is to be trusted with the pull secret",
        )

    def redirect(self, url: str) -> tuple[Target, Reach]:
        """Return the address that a redirect names; raise EgressError if it is not an allowed host."""
        target = parse_url(url)
        if target.origin == self.api.origin:
            return target, self.reach
        if self.access.blob_hosts:
            if self._blobs.reach(target.host, target.port):
                return target, self.reach
        elif target.port == DEFAULT_PORTS["https"]:
            return target, Reach.PUBLIC
        raise EgressError(
            Problem.FORBIDDEN_ADDRESS,
            f"{self.access.host} redirects to {target.authority}: list that in registries[].blobHosts if it is its own",
        )
