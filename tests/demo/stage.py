"""Where the demo plays: kubectl's commands with what they print, and the files that they are about."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import ControlPlane, wait_for
from tests.demo.scenes import EXCEPTED, NEW_FINDING, TURNED_BAD, Chapter, Scene
from tests.simulator import Simulator

AVAILABLE_SECONDS = 90
JUDGED_SECONDS = 180
"""How long a new finding may take to reach the verdict of an image that runs: an event takes seconds, a poll up to two minutes."""
CLI_SECONDS = 60
POLICIES = Path(__file__).with_name("policies")
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Stage:
    """Show chapters on a cluster whose tidegate asks the simulated AWS; ``folder`` gets every file."""

    def __init__(self, cluster: ControlPlane, aws: Simulator, folder: Path) -> None:
        self._cluster = cluster
        self._aws = aws
        self._folder = folder

    def play(self, chapter: Chapter) -> dict[Scene, bool]:
        """Show a chapter; return of each scene whether it came out as expected."""
        say(chapter.title)
        self._cluster.kubectl("create", "namespace", chapter.namespace)
        if chapter.trust_stores:
            self._set_up_trust(chapter.trust_stores)
        self._set_up_policy(chapter.policy)
        outcomes = {scene: self._show(scene, chapter.namespace) for scene in chapter.scenes}
        self._aws.clear()
        return outcomes

    def show_what_turns_bad(self, chapter: Chapter) -> dict[Scene, bool]:
        """Show what follows when an image that runs gets a finding; return whether it came out as expected."""
        say(TURNED_BAD.title)
        self._aws.world.add_finding("team/good", "v1", id=NEW_FINDING, package="openssl", fixed="3.0.13")
        refused = ("get", "imageverdicts", "--selector=tidegate.dev/refused=true")
        wait_for(
            lambda: "VulnerabilitiesFound" in self._cluster.kubectl(*refused).stdout,
            what="the verdict on the finding",
            timeout_seconds=JUDGED_SECONDS,
        )
        self.kubectl(*refused)
        events = ("get", "events", f"--namespace={chapter.namespace}", "--field-selector=reason=ImageNotAllowed")
        wait_for(lambda: self._cluster.kubectl(*events, "--output=name").stdout, what="the Event about the finding")
        self.kubectl(*events)
        _, report = self._tidegate("report")
        outcomes = {TURNED_BAD: self._apply(TURNED_BAD, chapter.namespace) and TURNED_BAD.expected in report}
        say(EXCEPTED.title)
        image, _, _ = EXCEPTED.image.rpartition(":")
        limits = (f"--policy={chapter.policy}", f"--namespace={chapter.namespace}", f"--image={image}", "--for=4h")
        why = ("--reason=the fix is being built", "--requested-by=ann@example.com", "--apply")
        self._tidegate("exception", "create", "openssl-fix", f"--cve={NEW_FINDING}", *limits, *why)
        self._wait_for("imagepolicyexception/openssl-fix")
        return outcomes | {EXCEPTED: self._apply(EXCEPTED, chapter.namespace)}

    def kubectl(self, *arguments: str, note: str = "") -> tuple[bool, str]:
        """Print a kubectl command and its output, as if run in the folder; return whether it went well, and the output."""
        print(f"$ kubectl {' '.join(arguments)}{note and f'   # {note}'}", flush=True)
        places = [str(self._folder / each) if each.endswith(".yaml") else each for each in arguments]
        done = self._cluster.kubectl(*places, check=False)
        text = (done.stderr + done.stdout).replace(f"{self._folder}/", "")
        print(text, flush=True)
        return done.returncode == 0, text

    def wait_until_available(self, scene: Scene, namespace: str) -> bool:
        """Wait until a Deployment's Pods run; return whether they do."""
        what = ("--for=condition=Available", f"deployment/{scene.name}", f"--namespace={namespace}")
        seconds = AVAILABLE_SECONDS
        arguments = ("wait", *what, f"--timeout={seconds}s")
        return self._cluster.kubectl(*arguments, check=False, timeout_seconds=seconds + 10).returncode == 0

    def _set_up_trust(self, names: Sequence[str]) -> None:
        stores = self._aws.world.authorities.trust_stores()
        self._write("trust-stores.yaml", *(each for each in stores if each["metadata"]["name"] in names))
        self.kubectl("apply", "-f", "trust-stores.yaml", note="the certificates and logs that signatures must lead to")
        self._wait_for(*(f"truststore/{name}" for name in names))
        self.kubectl("get", "truststores")

    def _set_up_policy(self, name: str) -> None:
        path = POLICIES / f"{name}.yaml"
        shutil.copy(path, self._folder)
        print(f"$ cat {path.name}\n{path.read_text()}")
        self.kubectl("apply", "-f", path.name)
        self._wait_for(f"imagepolicy/{name}")

    def _wait_for(self, *objects: str) -> None:
        self.kubectl("wait", "--for=condition=Ready", *objects)

    def _show(self, scene: Scene, namespace: str) -> bool:
        self._aws.clear()
        if scene.aws_down:
            self._aws.inject("down")
        say(scene.title)
        return self._apply(scene, namespace)

    def _apply(self, scene: Scene, namespace: str) -> bool:
        """Apply what a scene is about; return whether it came out as expected."""
        file = f"{scene.name}.yaml"
        self._write(file, scene.manifest(namespace))
        admitted, text = self.kubectl("apply", "-f", file, note=f"a {scene.kind} with image {scene.image}")
        return not admitted and scene.expected in text if scene.expected else admitted

    def _tidegate(self, *arguments: str) -> tuple[bool, str]:
        """Print a command of tidegate and its output; return whether it ended with 0, and the output."""
        print(f"$ tidegate {shlex.join(arguments)}", flush=True)
        done = subprocess.run(
            self._cluster.reach([sys.executable, "-m", "tidegate", *arguments]),
            env=os.environ | {"KUBECONFIG": str(self._cluster.admin_kubeconfig), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
            check=False,
        )
        print(done.stdout + done.stderr, flush=True)
        return done.returncode == 0, done.stdout

    def _write(self, name: str, *objects: Mapping[str, Any]) -> None:
        # Each file once: whoever stays finds all that was applied.
        with (self._folder / name).open("x") as file:
            yaml.dump_all(objects, file, Dumper=Dumper, sort_keys=False)


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines, such as certificates, as people do."""


Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def forget_aws() -> None:
    """Keep what this machine's environment says of AWS, such as a profile, away from the simulated one."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def say(text: str) -> None:
    """Print a line that stands out."""
    print(f"\033[1m{text}\033[0m" if COLOURED else f"== {text}", flush=True)
