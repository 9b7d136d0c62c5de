"""Where the control plane's parts live: addresses, ports, files and certificates of one run.

Pure description plus writing the files; starting programs is `control_plane`, their command lines are `components`.
What a cluster with a real node has beside these is in node/components.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.audit import AUDIT_POLICY
from tests.cluster.certificates import Authority, new_token_signing_key, write_private
from tests.cluster.ports import free_ports
from tests.namespaces.addresses import KUBERNETES_SERVICE_ADDRESS

ETCD_ADDRESS = "127.0.0.1"
SERVICE_ADDRESSES = "10.96.0.0/24"
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", KUBERNETES_SERVICE_ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Addresses and files of one control plane; made by `lay_out`."""

    folder: Path
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd(self) -> str:
        """The URL etcd listens on for clients."""
        return f"http://{ETCD_ADDRESS}:{self.etcd_port}"

    @property
    def etcd_peer(self) -> str:
        """The URL etcd listens on for other members, of which there are none."""
        return f"http://{ETCD_ADDRESS}:{self.etcd_peer_port}"

    @property
    def etcd_data(self) -> Path:
        """The folder of etcd's data, worth nothing after the run."""
        return self.folder / "etcd-data"

    @property
    def authority_certificate(self) -> Path:
        """The certificate that signs the API server's and every client's."""
        return self.folder / "authority.crt"

    @property
    def server_certificate(self) -> tuple[Path, Path]:
        """The API server's certificate and key."""
        return self.folder / "kube-apiserver.crt", self.folder / "kube-apiserver.key"

    @property
    def token_keys(self) -> tuple[Path, Path]:
        """The private and the public key of ServiceAccount tokens."""
        return self.folder / "tokens.key", self.folder / "tokens.pub"

    @property
    def audit_policy(self) -> Path:
        """What the API server writes into its audit log."""
        return self.folder / "audit-policy.json"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON event a line."""
        return self.folder / "audit.log"

    def kubeconfig(self, name: str) -> Path:
        """Where the kubeconfig of this user lies."""
        return self.folder / f"{name}.kubeconfig"


def lay_out(folder: Path, authority: Authority, *, address: str, ports: Sequence[int] = ()) -> Layout:
    """Write certificates, keys and the audit policy into the folder.

    ``ports`` are those of the API server, of etcd and of its peers; without them, free ones are chosen.
    """
    api_port, etcd_port, etcd_peer_port = ports or free_ports(3, address=address)
    layout = Layout(
        folder=folder, address=address, api_port=api_port, etcd_port=etcd_port, etcd_peer_port=etcd_peer_port
    )
    layout.authority_certificate.write_bytes(authority.certificate)
    authority.issue_server([address, *SERVER_NAMES]).write(folder, "kube-apiserver")
    private, public = new_token_signing_key()
    private_path, public_path = layout.token_keys
    write_private(private_path, private)
    public_path.write_bytes(public)
    layout.audit_policy.write_text(AUDIT_POLICY)
    return layout
