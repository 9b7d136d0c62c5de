"""Try the command line: ``make try``, or ``make try ARGS=--stay`` to try your own images afterwards.

It needs no cluster and no program but Python: real boto3 asks a simulated AWS on this machine, for the same images,
policies and trust stores that the demo shows in a cluster.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.demo.scenes import SCANS, SIGNATURES
from tests.demo.stage import POLICIES, Dumper, forget_aws, say
from tests.objects import ECR
from tests.simulator import Simulator, scenario

COMMAND_SECONDS = 60
PRODUCTION, PAYMENTS, TRUST, MANIFESTS = "production.yaml", "payments.yaml", "trust-stores.yaml", "shop.yaml"


@dataclass(frozen=True, kw_only=True)
class Try:
    """One command, what it shows, and the exit code that it has to end with."""

    title: str
    arguments: tuple[str, ...]
    code: int


SIGNED, STRANGER = f"{ECR}/team/signed:v1", f"{ECR}/team/stranger:v1"
PAYMENTS_FILES = ("--policy", PAYMENTS, "--policy", TRUST, "--namespace", "payments")
TRIES = (
    Try(
        title="Judge an image with CRITICAL findings",
        arguments=("check", f"{ECR}/team/critical:v1", "--policy", PRODUCTION),
        code=1,
    ),
    Try(title="Judge the manifests of a shop", arguments=("check", "-f", MANIFESTS, "--policy", PRODUCTION), code=1),
    Try(
        title="Judge an image in a namespace that no policy matches",
        arguments=("check", SIGNED, "--policy", PAYMENTS, "--policy", TRUST),
        code=2,
    ),
    Try(
        title="See the evidence behind a verdict",
        arguments=("explain", f"{ECR}/team/expired:v1", "--policy", PRODUCTION),
        code=1,
    ),
    Try(title="Verify a signature step by step", arguments=("verify", SIGNED, *PAYMENTS_FILES), code=0),
    Try(title="Verify an image that a stranger signed", arguments=("verify", STRANGER, *PAYMENTS_FILES), code=1),
)


def main() -> int:
    """Show every command; return 0 when each ended as told."""
    parser = argparse.ArgumentParser(prog="make try", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep the simulated AWS running until Ctrl-C")
    stay = parser.parse_args().stay
    forget_aws()
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(Simulator(scenario.load(scenario.DEMO)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-try-")))
        write_files(aws, folder)
        say(f"The command line, with the files {', '.join(sorted(path.name for path in folder.iterdir()))}")
        outcomes = [show(each, folder, aws) for each in TRIES]
        if stay:
            keep_running(aws, folder)
    return 0 if all(outcomes) else 1


def write_files(aws: Simulator, folder: Path) -> None:
    """Write policies, trust stores and the manifests of the demo's first chapter."""
    for name in (PRODUCTION, PAYMENTS):
        shutil.copy(POLICIES / name, folder)
    write(folder / TRUST, aws.world.authorities.trust_stores())
    write(folder / MANIFESTS, [scene.manifest(SCANS.namespace) for scene in SCANS.scenes if not scene.aws_down])


def write(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as documents of a YAML file."""
    with path.open("w") as file:
        yaml.dump_all(objects, file, Dumper=Dumper, sort_keys=False)


def show(each: Try, folder: Path, aws: Simulator) -> bool:
    """Print a command and its output; return whether it ended as told."""
    say(each.title)
    print(f"$ tidegate {shlex.join(each.arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", *each.arguments],
        cwd=folder,
        env=os.environ | environment(aws, folder),
        timeout=COMMAND_SECONDS,
        check=False,
    )
    print(f"# exit code {done.returncode}\n", flush=True)
    return done.returncode == each.code


def environment(aws: Simulator, folder: Path) -> dict[str, str]:
    """Return the variables that lead the command line to the simulated AWS."""
    return aws.environment() | {"XDG_CACHE_HOME": str(folder / ".cache")}


def keep_running(aws: Simulator, folder: Path) -> None:
    """Tell the person how to try their own, and wait."""
    say("Try your own, in another terminal:")
    for name, value in environment(aws, folder).items():
        print(f"  export {name}={shlex.quote(value)}")
    print(f"  export PATH={Path(sys.executable).parent}:$PATH")
    print(f"  cd {folder}")
    images = (scene.image.removeprefix(f"{ECR}/") for chapter in (SCANS, SIGNATURES) for scene in chapter.scenes)
    print(f"  tidegate check {ECR}/{next(images)}   # or {', '.join(dict.fromkeys(images))}")
    say("Ctrl-C ends everything.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
