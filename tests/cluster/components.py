"""The command lines of the control plane's programs, as plain lists; nothing is started here."""

from __future__ import annotations

from tests.cluster.layout import SERVICE_ADDRESSES, Layout

ISSUER = "https://kubernetes.default.svc"


def etcd(layout: Layout) -> list[str]:
    """Return etcd's arguments: one member, and no fsync, since its data needn't survive anything."""
    return [
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={layout.etcd}",
        f"--advertise-client-urls={layout.etcd}",
        f"--listen-peer-urls={layout.etcd_peer}",
        f"--initial-advertise-peer-urls={layout.etcd_peer}",
        f"--initial-cluster=default={layout.etcd_peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    """Return kube-apiserver's arguments where no node runs Pods.

    The ServiceAccount admission plugin is off: with it, a Pod in a namespace made a moment ago is refused until the
    controller manager has made the namespace's default ServiceAccount. Tokens work without it.
    """
    return [
        *any_kube_apiserver(layout),
        f"--bind-address={layout.address}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        # An endpoint on a loopback address is invalid, so nothing writes the endpoints of the Service "kubernetes".
        "--endpoint-reconciler-type=none",
    ]


def any_kube_apiserver(layout: Layout) -> list[str]:
    """Return the arguments of every kube-apiserver: files, addresses, the audit log."""
    certificate, key = layout.server_certificate
    private, public = layout.token_keys
    return [
        f"--advertise-address={layout.address}",
        f"--secure-port={layout.api_port}",
        f"--etcd-servers={layout.etcd}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={layout.authority_certificate}",
        f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={private}",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
        "--allow-privileged=true",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-mode=blocking",
        "--profiling=false",
    ]


def kube_controller_manager(layout: Layout) -> list[str]:
    """Return kube-controller-manager's arguments: all controllers but those that judge nodes nobody runs."""
    return [*any_kube_controller_manager(layout), "--controllers=*,-nodeipam,-nodelifecycle"]


def any_kube_controller_manager(layout: Layout) -> list[str]:
    """Return the arguments of every kube-controller-manager but the controllers that it runs."""
    private, _ = layout.token_keys
    return [
        f"--kubeconfig={layout.kubeconfig('kube-controller-manager')}",
        f"--service-account-private-key-file={private}",
        f"--root-ca-file={layout.authority_certificate}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        # At the default of 20 requests a second it takes 5 s until a first Deployment has Pods.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        # The default lies in /usr and would be created there.
        f"--flex-volume-plugin-dir={layout.folder / 'flex-volumes'}",
        # Nobody asks it anything, and a port less is a port that can't clash.
        "--secure-port=0",
        "--profiling=false",
    ]
