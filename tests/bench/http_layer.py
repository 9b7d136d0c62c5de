"""Compare HTTP layers for the admission server: `python tests/bench/http_layer.py [--python VENV/bin/python] [--quick]`.

wrk runs on CPU 1 and the server on CPU 0: TLS, kept-alive connections, a 7 KB Pod AdmissionReview per POST. Rounds are
interleaved over all rows, so that a noisy minute hurts every row, and medians are reported. CPU per request, from
/proc, is the figure to trust on a shared machine; requests per second and latencies also measure wrk's neighbour.
Candidates that are not installed for that interpreter are named and left out. Rows are in http_stacks.py.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "bare": "httptools",
    "tidegate": "tidegate",
    "uvicorn": "uvicorn",
    "aiohttp": "aiohttp",
    "aiohttp-app": "aiohttp",
    "granian": "granian",
    "kopf": "kopf",
}
ROWS = [
    ("bare", "constant"),
    ("bare", "decode"),
    ("tidegate", "constant"),
    ("uvicorn", "constant"),
    ("aiohttp", "constant"),
    ("aiohttp-app", "constant"),
    ("granian", "constant"),
    ("tidegate", "decode"),
    ("uvicorn", "decode"),
    ("aiohttp", "decode"),
    ("aiohttp-app", "decode"),
    ("granian", "decode"),
    ("kopf", "decode"),
]
CONNECTIONS = (1, 8, 32)
TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def review_of_seven_kilobytes() -> bytes:
    """Return a Pod CREATE review as the API server sends it: managedFields and tokens make most of its bytes."""
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/service-{}@sha256:" + "ab" * 32
    environment = [{"name": f"SETTING_{index}", "value": f"value-of-setting-{index}" * 2} for index in range(12)]
    mounts = [{"name": "token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": True}]
    containers = [
        {
            "name": f"main-{index}",
            "image": image.format(index),
            "env": environment,
            "volumeMounts": mounts,
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
        }
        for index in range(2)
    ]
    fields: dict[str, dict[str, dict[str, str]]] = {
        f"f:field{index}": {".": {}, "f:name": {}, "f:value": {}, "f:mountPath": {}} for index in range(46)
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "service-5d4f8c7b9-x2x2x",
            "namespace": "team",
            "labels": {"app.kubernetes.io/name": "service", "pod-template-hash": "5d4f8c7b9"},
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": fields}],
        },
        "spec": {
            "containers": containers,
            "initContainers": [{"name": "init", "image": image.format("init"), "env": environment[:4]}],
            "serviceAccountName": "service",
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {},
    }
    resource = {"group": "", "version": "v1", "resource": "pods"}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": "team",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "groups": ["system:masters"],
        },
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review, separators=(",", ":")).encode()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write an ECDSA P-256 certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "tls.crt", folder / "tls.key"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_ticks(group: int) -> int:
    """Return user and system ticks of all processes of a process group (granian works in a child)."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += int(fields[11]) + int(fields[12])
    return total


class Server:
    """A stack in a process of its own on CPU 0."""

    def __init__(self, *, python: str, stack: str, logic: str, certificate: tuple[Path, Path]) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", python, "-m", "tests.bench.http_stacks", stack, logic, str(self.port)]
            + [str(path) for path in certificate],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'controller'}:{ROOT}"},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def wait_ready(self, body: bytes) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = self.ask(body)
            except OSError as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"the server did not start: {error}") from error
                time.sleep(0.05)
            else:
                if answer.get("response", {}).get("allowed") is not False:
                    raise SystemExit(f"got {answer}, expected allowed: false")
                return

    def ask(self, body: bytes) -> dict[str, Any]:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=5)
        try:
            connection.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Process(Protocol):
    """A process that serves."""

    @property
    def pid(self) -> int:
        """Return its id, which is that of its group."""
        ...


class Serving(Protocol):
    """What wrk asks."""

    @property
    def port(self) -> int:
        """Return its port on loopback."""
        ...

    @property
    def process(self) -> Process:
        """Return its process."""
        ...


def wrk(server: Serving, script: Path, connections: int, seconds: int) -> dict[str, float]:
    """Run wrk once; return requests per second, CPU microseconds per request, p50 and p99 in milliseconds."""
    before = cpu_ticks(server.process.pid)
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    output = subprocess.run(
        [*command, f"https://127.0.0.1:{server.port}/validate?timeout=10s"],
        check=True, capture_output=True, text=True, timeout=seconds + 30,
    ).stdout  # fmt: skip
    ticks = cpu_ticks(server.process.pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"wrk met errors:\n{output}")
    requests = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert requests
    assert rate
    percentiles = {
        found[1]: float(found[2]) * UNITS[found[3]] for found in re.finditer(r"(50|99)%\s+([\d.]+)(\w+)", output)
    }
    return {
        "rps": float(rate[1]),
        "cpu_us": ticks / TICKS * 1e6 / int(requests[1]),
        "p50_ms": percentiles["50"],
        "p99_ms": percentiles["99"],
    }


def installed(python: str) -> dict[str, bool]:
    code = f"import importlib.util, json; print(json.dumps({{n: bool(importlib.util.find_spec(n)) for n in {list(MODULES.values())!r}}}))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "controller")}
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, env=env).stdout
    return {stack: json.loads(found)[module] for stack, module in MODULES.items()}


def measure(options: argparse.Namespace, rows: list[tuple[str, str]]) -> dict[str, list[dict[str, float]]]:
    body = review_of_seven_kilobytes()
    samples: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make_certificate(folder)
        (folder / "body.json").write_bytes(body)
        script = folder / "post.lua"
        script.write_text(
            f'local f = io.open("{folder}/body.json", "rb")\nwrk.method = "POST"\nwrk.body = f:read("*a")\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )
        steps, done = options.rounds * len(rows), 0
        for _ in range(options.rounds):
            for stack, logic in rows:
                server = Server(python=options.python, stack=stack, logic=logic, certificate=certificate)
                try:
                    server.wait_ready(body)
                    wrk(server, script, 8, 1)
                    for connections in CONNECTIONS:
                        sample = wrk(server, script, connections, options.seconds)
                        samples.setdefault(f"{stack} {logic} {connections}", []).append(sample)
                finally:
                    server.stop()
                done += 1
                print(f"\r{done}/{steps} {stack} {logic}        ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return samples


def medians(samples: list[dict[str, float]]) -> dict[str, float]:
    return {field: statistics.median(sample[field] for sample in samples) for field in samples[0]}


def report(samples: dict[str, list[dict[str, float]]], rows: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    table = {name: medians(values) for name, values in samples.items()}
    print(
        f"{'server':11} {'logic':9} {'conns':>5} {'req/s':>8} {'CPU us':>7} {'p50 ms':>7} {'p99 ms':>7}  CPU / tidegate"
    )
    for connections in CONNECTIONS:
        for stack, logic in rows:
            row = table[f"{stack} {logic} {connections}"]
            ours = table.get(f"tidegate {logic} {connections}")
            ratio = f"{row['cpu_us'] / ours['cpu_us']:.2f}" if ours else "-"
            print(
                f"{stack:11} {logic:9} {connections:5} {row['rps']:8.0f} {row['cpu_us']:7.1f} "
                f"{row['p50_ms']:7.2f} {row['p99_ms']:7.2f}  {ratio}"
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs the servers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of one second: does it run at all")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench" / "http_layer.json")
    options = parser.parse_args()
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install {'wrk' if tool == 'wrk' else 'util-linux'}")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two CPUs are needed: one for the server, one for wrk")
    if options.quick:
        options.rounds = options.seconds = 1
    have = installed(options.python)
    for stack in (stack for stack, there in have.items() if not there):
        print(f"left out: {stack} is not installed for {options.python}")
    rows = [(stack, logic) for stack, logic in ROWS if have[stack]]
    samples = measure(options, rows)
    table = report(samples, rows)
    options.out.parent.mkdir(exist_ok=True)
    record = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "body_bytes": len(review_of_seven_kilobytes()),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "medians": table,
        "samples": samples,
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
