"""Run the demo: ``make demo``, or ``make demo ARGS=--stay`` to try your own images afterwards."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import ToolchainError
from tests.demo.clusters import DemoCluster, demo_cluster, write_kubectl
from tests.demo.scenes import CHAPTERS, SCANS
from tests.demo.stage import Stage, forget_aws, say
from tests.objects import CRITICAL

INTERRUPTED = 130


def main() -> int:
    """Show every scene; return 0 when each came out as told."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything running until Ctrl-C")
    stay = parser.parse_args().stay
    forget_aws()
    started = time.monotonic()
    say("Starting a real Kubernetes, a simulated AWS and tidegate ...")
    try:
        with contextlib.ExitStack() as stack:
            demo = stack.enter_context(demo_cluster())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-demo-")))
            say(f"Ready after {time.monotonic() - started:.1f} s.\n")
            good = show_all(Stage(demo.cluster, demo.aws, folder), runs_pods=demo.runs_pods)
            if stay:
                keep_running(demo, folder)
    except ToolchainError as problem:
        print(f"The demo needs real Kubernetes programs: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0 if good else 1


def show_all(stage: Stage, *, runs_pods: bool) -> bool:
    """Show chapter after chapter, and what is left of it; return whether each scene came out as told."""
    outcomes = {scene: good for chapter in CHAPTERS for scene, good in stage.play(chapter).items()}
    if runs_pods:
        for chapter in CHAPTERS:
            for scene, good in outcomes.items():
                if scene in chapter.scenes and not scene.expected:
                    outcomes[scene] = good and stage.wait_until_available(scene, chapter.namespace)
    say("What runs in the cluster now:" if runs_pods else "What is in the cluster now (no node, so Pods stay Pending):")
    for chapter in CHAPTERS:
        stage.kubectl("get", "deployments,pods", "--namespace", chapter.namespace)
    if runs_pods:
        outcomes |= stage.show_what_turns_bad(SCANS)
    say("The verdicts:")
    for scene, good in outcomes.items():
        print(f"  {'as expected' if good else 'NOT AS EXPECTED':<16} {scene.expected or 'admitted':<22} {scene.title}")
    print()
    return all(outcomes.values())


def keep_running(demo: DemoCluster, folder: Path) -> None:
    """Tell the person how to try their own, and wait."""
    say("Try your own, in another terminal:")
    print(f"  export KUBECONFIG={demo.cluster.admin_kubeconfig}")
    print(f"  export PATH={write_kubectl(demo.cluster, folder)}:$PATH")
    print(f"  cd {folder}   # the files of the scenes")
    print(f"  kubectl --namespace shop create deployment mine --image={CRITICAL}")
    print("  kubectl explain imagepolicy.spec")
    print("  kubectl edit imagepolicy production")
    print(f"  {demo.metrics}")
    say("Ctrl-C ends everything.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
