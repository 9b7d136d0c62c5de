"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

No scheduler and no node: Pods are admitted and stay Pending. Each instance has a folder, ports and certificates of its
own, so that several run side by side.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster import components, nodes
from tests.cluster.audit import read_audit_log
from tests.cluster.certificates import Authority
from tests.cluster.kubeconfig import certificate_user, token_user, write_kubeconfig
from tests.cluster.kubectl import KUBECTL_TIMEOUT_SECONDS, Kubectl, Manifest, manifest_input
from tests.cluster.layout import Layout, lay_out
from tests.cluster.processes import Process, ProcessError, Processes
from tests.cluster.toolchain import build
from tests.cluster.waiting import answers, wait_for

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
"""The programs in the order of their start."""
PROGRAMS = (*CONTROL_PLANE, "kubectl")
ARGUMENTS: Mapping[str, Callable[[Layout], list[str]]] = {
    "etcd": components.etcd,
    "kube-apiserver": components.kube_apiserver,
    "kube-controller-manager": components.kube_controller_manager,
}
# A busy machine is given time; the slowest takes 5 s.
START_TIMEOUT_SECONDS = 120.0
START_ATTEMPTS = 3
TOKEN_DURATION = "4h"
ADMIN = "admin"


class ControlPlane:
    """A control plane that runs between ``start`` and ``stop``, or as a context manager.

    ``folder`` keeps logs, kubeconfigs and the audit log; without one, a temporary folder is used and removed after a
    clean end. ``extra_arguments`` adds flags by program name, for example
    ``{"kube-apiserver": ["--enable-aggregator-routing=true"]}``; of a flag given twice the last one counts.
    """

    programs: tuple[str, ...] = PROGRAMS
    arguments: Mapping[str, Callable[[Layout], list[str]]] = ARGUMENTS

    def __init__(
        self,
        *,
        folder: Path | None = None,
        address: str = "127.0.0.1",
        extra_arguments: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tidegate-cluster-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority()
        self._address = address
        self._extra_arguments = extra_arguments or {}
        self._programs: dict[str, Path] = {}
        self._running: Processes | None = None
        self._started: Layout | None = None
        self._readiness: dict[str, Callable[[], bool]] = {}

    # Life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_folder=kind is not None)

    def start(self) -> None:
        """Start every program and return once the API server is ready and has its namespace ``default``.

        Raises ToolchainError where a program is missing and ProcessError, with the log's tail, where one fails.
        """
        self._programs = build.ready(list(self.programs))
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._start_once()
            except ProcessError as problem:
                self._stop_programs()
                # Only another program that took one of our ports in the same moment is worth another try.
                if "address already in use" not in str(problem) or attempt == START_ATTEMPTS:
                    raise
            except BaseException:
                self._stop_programs()
                raise
            else:
                return

    def stop(self, *, keep_folder: bool = False) -> None:
        """End every program; remove the folder if it is a temporary one and not to be kept."""
        self._stop_programs()
        if self._temporary and not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self._temporary:
            print(f"control plane: its logs stay in {self.folder}", file=sys.stderr)

    def run_beside(self, name: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program of the test's own, for example the controller; it ends with the control plane at the latest.

        Its output is ``NAME.log`` in the folder.
        """
        assert self._running is not None, "the control plane isn't running"
        return self._running.start(name, command, environment=environment)

    def find_program(self, name: str) -> Process:
        """Return one of the programs that run, to be signalled."""
        assert self._running is not None, "the control plane isn't running"
        return self._running.find(name)

    def stop_program(self, name: str) -> None:
        """End one of the programs; what it stored stays."""
        process = self.find_program(name)
        assert self._running is not None
        self._running.end(process)

    def start_program(self, name: str) -> None:
        """Start one of the programs and wait until it is ready."""
        with self.network():
            process = self._start_program(name)
            if ready := self._readiness.get(name):
                process.wait_until(ready, timeout_seconds=START_TIMEOUT_SECONDS)

    # Access

    def reach(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command where the API server and the programs beside can be reached."""
        return list(command)

    def network(self) -> contextlib.AbstractContextManager[None]:
        """Put this thread where they can be reached, for the length of a ``with`` block."""
        return contextlib.nullcontext()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._layout.server

    @property
    def etcd(self) -> str:
        """The URL of etcd, where its metrics are too."""
        return self._layout.etcd

    @property
    def authority_bundle(self) -> str:
        """The authority's certificate in base64, as ``caBundle`` wants it."""
        return base64.b64encode(self.authority.certificate).decode()

    @property
    def admin_kubeconfig(self) -> Path:
        """The kubeconfig of a cluster administrator."""
        return self._layout.kubeconfig(ADMIN)

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] = ()) -> Path:
        """Write and return the kubeconfig of a user known by a client certificate; ``admin`` may do everything."""
        if user == ADMIN:
            groups = ("system:masters",)
        pair = self.authority.issue_client(user, groups)
        return self._write_kubeconfig(user, certificate_user(pair))

    def token_kubeconfig(self, namespace: str, service_account: str) -> Path:
        """Ask for a token of an existing ServiceAccount and return a kubeconfig with its rights and no others."""
        arguments = ("create", "token", service_account, f"--namespace={namespace}", f"--duration={TOKEN_DURATION}")
        token = self.kubectl(*arguments).stdout.strip()
        return self._write_kubeconfig(f"{namespace}.{service_account}", token_user(token), namespace=namespace)

    # Use

    def kubectl(
        self,
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        kubeconfig: Path | None = None,
        timeout_seconds: float = KUBECTL_TIMEOUT_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator or as the given kubeconfig's user.

        Raises KubectlError on a status other than 0, unless ``check`` is off.
        """
        kubectl = Kubectl(self._programs["kubectl"], home=self.folder, reach=self.reach)
        return kubectl.run(
            arguments,
            kubeconfig=kubeconfig or self.admin_kubeconfig,
            stdin=stdin,
            check=check,
            timeout_seconds=timeout_seconds,
        )

    def apply(
        self, manifest: Manifest, *arguments: str, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``kubectl apply -f`` on YAML text, a path, an object or a list of objects."""
        source, stdin = manifest_input(manifest)
        return self.kubectl("apply", "-f", source, *arguments, stdin=stdin, check=check, kubeconfig=kubeconfig)

    def apply_definitions(self, definitions: Manifest) -> None:
        """Apply CustomResourceDefinitions and wait until the API server serves what they define."""
        self.apply(definitions)
        source, stdin = manifest_input(definitions)
        wait = ("wait", "--for=condition=Established", "-f", source, "--timeout=30s")
        # kubectl ends with an error where a definition has no condition yet.
        wait_for(
            lambda: self.kubectl(*wait, stdin=stdin, check=False).returncode == 0,
            what="the CustomResourceDefinitions to be established",
        )

    def get(self, *arguments: str, kubeconfig: Path | None = None) -> dict[str, Any]:
        """Run ``kubectl get ... -o json`` and return the object or the list."""
        result = self.kubectl("get", *arguments, "--output=json", kubeconfig=kubeconfig)
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def create_namespace(self, prefix: str = "test", *, labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace with a name of its own and return the name; Pods can be created in it at once."""
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return name

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """Give a namespace of its own for the length of a ``with`` block; its end isn't waited for."""
        name = self.create_namespace()
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    def add_node(self, operating_system: str = "linux", architecture: str = "amd64", *, name: str = "") -> str:
        """Register a Node object that is Ready and of this platform; return its name."""
        name = name or f"{operating_system}-{architecture}-{uuid.uuid4().hex[:8]}"
        platform = {"operating_system": operating_system, "architecture": architecture}
        self.apply(nodes.node(name, **platform))
        status = nodes.ready_status(version=build.KUBERNETES_VERSION, **platform)
        self.kubectl("patch", "node", name, "--subresource=status", f"--patch={json.dumps(status)}")
        return name

    @contextlib.contextmanager
    def node_platform(self, operating_system: str, architecture: str) -> Iterator[str]:
        """Give the cluster a node of this platform for the length of a ``with`` block; gives its name."""
        name = self.add_node(operating_system, architecture)
        try:
            yield name
        finally:
            self.kubectl("delete", "node", name, "--wait=false")

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON event a line."""
        return self._layout.audit_log

    def audit_events(self) -> list[dict[str, Any]]:
        """Return the audit log's events so far; an answer may reach its client a moment before its event is written."""
        return read_audit_log(self.audit_log)

    def wait_for_audit_event(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first audit event that ``wanted`` accepts, as soon as it is written; else raise TimeoutError."""
        return wait_for(lambda: next(filter(wanted, self.audit_events()), {}), what="the wanted audit event")

    # Inside

    @property
    def _layout(self) -> Layout:
        assert self._started is not None, "the control plane isn't running"
        return self._started

    def _write_kubeconfig(self, name: str, user: Mapping[str, str], namespace: str = "default") -> Path:
        path = self._layout.kubeconfig(name)
        return write_kubeconfig(
            path, server=self.server, authority=self.authority.certificate, user=user, namespace=namespace
        )

    def _lay_out(self) -> Layout:
        return lay_out(self.folder, self.authority, address=self._address)

    def _start_once(self) -> None:
        layout = self._started = self._lay_out()
        self._running = Processes(self.folder)
        self.kubeconfig()
        self._write_client_kubeconfig("kube-controller-manager")
        trust = ssl.create_default_context(cadata=self.authority.certificate.decode())
        self._readiness = {
            "etcd": lambda: answers(f"{layout.etcd}/health"),
            "kube-apiserver": lambda: answers(f"{layout.server}/readyz", trust=trust),
        }
        for name in CONTROL_PLANE:
            self.start_program(name)
        # Ready doesn't include the namespaces that the API server makes for itself.
        wait_for(
            lambda: self.kubectl("get", "namespace", "default", check=False).returncode == 0,
            what="the namespace default",
        )

    def _write_client_kubeconfig(self, name: str, user: str = "", groups: Sequence[str] = ()) -> None:
        pair = self.authority.issue_client(user or f"system:{name}", groups)
        self._write_kubeconfig(name, certificate_user(pair))

    def _start_program(self, name: str, *, environment: Mapping[str, str] | None = None) -> Process:
        arguments = [*self.arguments[name](self._layout), *self._extra_arguments.get(name, ())]
        return self.run_beside(name, [str(self._programs[name]), *arguments], environment=environment)

    def _stop_programs(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None
            shutil.rmtree(self._layout.etcd_data, ignore_errors=True)
