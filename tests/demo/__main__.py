"""Run the demo: ``make demo``, or ``make demo ARGS=--stay`` to try your own images afterwards."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from tests.cluster import ControlPlane, ToolchainError
from tests.demo.scenes import ECR, NAMESPACE, POLICY, SCENES, Scene
from tests.gate import Gate
from tests.simulator import Simulator, scenario

WORLD = Path(__file__).resolve().parents[1] / "simulator" / "scenarios" / "demo.yaml"
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def main() -> int:
    """Show every scene; return 0 when each came out as told."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything running until Ctrl-C")
    stay = parser.parse_args().stay
    started = time.monotonic()
    say("Starting a real Kubernetes control plane, a simulated AWS and tidegate ...")
    try:
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(ControlPlane())
            aws = stack.enter_context(Simulator(scenario.load(WORLD)))
            for architecture in ("amd64", "arm64"):
                cluster.add_node("linux", architecture)
            gate = stack.enter_context(Gate(cluster, aws_url=aws.url, aws_environment=aws.environment()))
            say(f"Ready after {time.monotonic() - started:.1f} s.\n")
            good = show_all(cluster, aws, gate)
            if stay:
                keep_running(cluster, gate)
    except ToolchainError as problem:
        print(f"The demo needs real Kubernetes programs: {problem}", file=sys.stderr)
        return 1
    return 0 if good else 1


def show_all(cluster: ControlPlane, aws: Simulator, gate: Gate) -> bool:
    """Apply the policy, then show scene after scene; return whether each came out as expected."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    gate.apply_policy("production", POLICY)
    say("The platform team's policy:")
    show(cluster, "get", "imagepolicy", "production")
    outcomes = [(scene, show_scene(cluster, aws, scene)) for scene in SCENES]
    aws.clear()
    say("What runs in the cluster now (no node here, so Pods stay Pending):")
    show(cluster, "get", "deployments,pods", "--namespace", NAMESPACE)
    say("The verdicts:")
    for scene, came_true in outcomes:
        wanted = scene.expected or "admitted"
        print(f"  {'as expected' if came_true else 'NOT AS EXPECTED':<16} {wanted:<22} {scene.image}")
    print()
    return all(came_true for _, came_true in outcomes)


def show_scene(cluster: ControlPlane, aws: Simulator, scene: Scene) -> bool:
    """Apply one scene and print what kubectl prints; return whether it came out as expected."""
    aws.clear()
    if scene.aws_down:
        aws.inject("down")
    say(f"{scene.title}:")
    print(f"$ kubectl apply -f {scene.name}.yaml   # a {scene.kind} with image {scene.image}")
    done = cluster.kubectl("apply", "-f", "-", stdin=scene.manifest, check=False)
    print(done.stderr + done.stdout)
    if scene.expected:
        return done.returncode != 0 and scene.expected in done.stderr
    return done.returncode == 0


def show(cluster: ControlPlane, *arguments: str) -> None:
    """Print a kubectl command and its output."""
    print(f"$ kubectl {' '.join(arguments)}")
    print(cluster.kubectl(*arguments).stdout)


def keep_running(cluster: ControlPlane, gate: Gate) -> None:
    """Tell the person how to try their own, and wait."""
    say("Try your own, in another terminal:")
    print(f"  export KUBECONFIG={cluster.admin_kubeconfig}")
    print(f"  kubectl -n {NAMESPACE} create deployment mine --image={ECR}/team/critical:v1")
    print("  kubectl explain imagepolicy.spec")
    print("  kubectl edit imagepolicy production")
    print(f"  curl http://127.0.0.1:{gate.metrics_port}/metrics")
    say("Ctrl-C ends everything.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def say(text: str) -> None:
    """Print a line that stands out."""
    print(f"\033[1m{text}\033[0m" if COLOURED else f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
