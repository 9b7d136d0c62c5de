"""Run the demo: ``make demo``, or ``make demo ARGS=--stay`` to try your own images afterwards."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import ControlPlane, ToolchainError
from tests.cluster.toolchain.build import ready
from tests.demo.scenes import CHAPTERS, ECR
from tests.demo.stage import Stage, say
from tests.gate import Gate
from tests.simulator import Simulator, scenario

WORLD = Path(__file__).resolve().parents[1] / "simulator" / "scenarios" / "demo.yaml"
INTERRUPTED = 130


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
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-demo-")))
            say(f"Ready after {time.monotonic() - started:.1f} s.\n")
            good = show_all(Stage(cluster, aws, folder))
            if stay:
                keep_running(cluster, gate, folder)
    except ToolchainError as problem:
        print(f"The demo needs real Kubernetes programs: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0 if good else 1


def show_all(stage: Stage) -> bool:
    """Show chapter after chapter, and what is left of it; return whether each scene came out as told."""
    outcomes = {scene: good for chapter in CHAPTERS for scene, good in stage.play(chapter).items()}
    say("What runs in the cluster now (it has no kubelet, so Pods stay Pending):")
    for chapter in CHAPTERS:
        stage.kubectl("get", "deployments,pods", "--namespace", chapter.namespace)
    say("The verdicts:")
    for scene, good in outcomes.items():
        print(f"  {'as expected' if good else 'NOT AS EXPECTED':<16} {scene.expected or 'admitted':<22} {scene.title}")
    print()
    return all(outcomes.values())


def keep_running(cluster: ControlPlane, gate: Gate, folder: Path) -> None:
    """Tell the person how to try their own, and wait."""
    say("Try your own, in another terminal:")
    print(f"  export KUBECONFIG={cluster.admin_kubeconfig}")
    print(f"  export PATH={ready(['kubectl'])['kubectl'].parent}:$PATH")
    print(f"  cd {folder}   # the files of the scenes")
    print(f"  kubectl --namespace shop create deployment mine --image={ECR}/team/critical:v1")
    print("  kubectl explain imagepolicy.spec")
    print("  kubectl edit imagepolicy production")
    print(f"  curl http://127.0.0.1:{gate.metrics_port}/metrics")
    say("Ctrl-C ends everything.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
