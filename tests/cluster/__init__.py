"""A real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager 1.37) for tests, demo and benchmarks.

The programs are found or built by ``tests/cluster/toolchain/build.py``; the first build takes minutes, a start seconds.

    from tests.cluster import ControlPlane

    with ControlPlane() as cluster:                              # own folder, own free ports on 127.0.0.1
        namespace = cluster.create_namespace()                   # usable at once
        result = cluster.apply(deployment, check=False)          # dict, list of dicts, YAML text or Path
        assert "denied the request" in result.stderr             # what a person reads
        cluster.kubectl("get", "pods", "--namespace", namespace) # raises KubectlError unless check=False
        cluster.get("pods", "--namespace", namespace)["items"]   # kubectl get -o json, parsed

Who asks: the administrator unless said otherwise. ``cluster.admin_kubeconfig`` is that file;
``cluster.kubeconfig("ann", ["developers"])`` makes one for a user; ``cluster.token_kubeconfig(namespace, account)``
makes one with exactly the rights of an existing ServiceAccount, which is how the controller has to run. Each is a Path
that kubectl, ``kubernetes.config.load_kube_config`` and kopf read, and the ``kubeconfig=`` argument of every method.

Programs of a test: ``cluster.run_beside("controller", [sys.executable, "-m", "tidegate", "admission"],
environment={"KUBECONFIG": str(path)})`` gives a `Process` (``wait_until``, ``stop``, ``returncode``, ``log_tail``).
They end with the control plane, and all of it ends when the test process dies, even by SIGKILL.

Webhooks: ``cluster.authority.issue_server(["127.0.0.1"])`` gives a certificate and key (``.write(folder, "webhook")``
gives their paths), ``cluster.authority_bundle`` is the matching caBundle; ``clientConfig.url`` reaches any server on
loopback. After applying a configuration, poll with ``--dry-run=server`` until it is in force: the API server learns of
it by a watch. The same goes for RBAC.

Also: ``with cluster.node_platform("linux", "arm64"):`` and ``cluster.add_node(...)`` register Node objects;
``cluster.audit_events()`` and ``cluster.wait_for_audit_event(predicate)`` read the audit log, where an admission
webhook's auditAnnotations stand under ``annotations`` as ``WEBHOOK/KEY``; ``wait_for(question, what=...)`` polls for
what controllers do in their own time; ``program("helm")`` is the path of any program of the toolchain.
``ControlPlane(extra_arguments={"kube-apiserver": [...]})`` adds flags, for example ``"--audit-log-path="`` for a
benchmark that shouldn't pay for an audit log.

In pytest: ``tests/e2e/conftest.py`` has the session fixture ``control_plane`` and the fixture ``namespace``.
By hand: ``python -m tests.cluster up``.

Pods are admitted and stay Pending, since there is no scheduler and no node: ``tests.cluster.node`` has them.
"""

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import KubectlError
from tests.cluster.processes import Process, ProcessError
from tests.cluster.toolchain.build import ToolchainError, program
from tests.cluster.waiting import wait_for

__all__ = ["ControlPlane", "KubectlError", "Process", "ProcessError", "ToolchainError", "program", "wait_for"]
