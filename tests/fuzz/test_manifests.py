"""Manifests and Dockerfiles of any content: their images are found, or the file is refused, never a crash."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.harness import fuzzed, shown
from tests.fuzz.mutations import blind, changed_json
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.check.dockerfile import images_of_dockerfile
from tidegate.cli.check.inputs import Inputs, read_inputs
from tidegate.cli.image_paths import DEFAULTS, parse_image_paths

PATHS = parse_image_paths(["Thing.example.com=spec.parts[*].*.what"])
POD = {"containers": [{"name": "a", "image": "a:1"}], "volumes": [{"image": {"reference": "b:1"}}]}


def seeds() -> list[dict[str, Any]]:
    """Return an object of each kind: a workload, a well-known custom resource, another one, and a Namespace."""
    meta = {"name": "web", "namespace": "shop", "labels": {"a": "b"}}
    kinds = ["Deployment.apps", "Thing.example.com", "Other.example.com", *DEFAULTS]
    spec = {"template": {"spec": POD}, "parts": [{"a": {"what": "c:1"}}], "image": {"repository": "d", "tag": "1"}}
    found = [
        {"apiVersion": f"{group}/v1", "kind": kind, "metadata": meta, "spec": spec}
        for kind, _, group in (one.partition(".") for one in kinds)
    ]
    compose = {"services": {"web": {"image": "e:1"}, "api": {"build": "."}}}
    return [
        *found,
        compose,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": meta},
        {"kind": "List", "items": found},
    ]


SEEDS = [json.dumps(one).encode() for one in seeds()]


@fuzzed()
def test_a_changed_manifest_is_read_or_refused(rng: Random) -> None:
    content = rng.choice(SEEDS)
    changed = changed_json(rng, content) if rng.random() < 0.7 else blind(rng, content)
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(changed)
        file.flush()
        with shown(changed), contextlib.suppress(ArgumentError):
            read = read_inputs(Inputs(files=[Path(file.name)]), namespace="default", image_paths=PATHS)
            assert all(one.text is not None or one.not_judged for one in read.images)


DOCKERFILE = b"""# escape=`
ARG V=1
FROM --platform=$BUILDPLATFORM a:${V:-2} AS build
RUN --mount=type=bind,from=b:1,target=/x <<EOF
FROM c
EOF
RUN x \\
  y
FROM d$V
COPY --from=build /a /b
FROM build
"""


@fuzzed()
def test_a_changed_dockerfile_is_read_or_refused(rng: Random) -> None:
    text = blind(rng, DOCKERFILE.removeprefix(b"# escape=`\n") if rng.random() < 0.5 else DOCKERFILE).decode(
        errors="replace"
    )
    with shown(text.encode()), contextlib.suppress(ArgumentError):
        found, stages = images_of_dockerfile(text, file="Dockerfile", namespace="default", build_args={})
        assert all(one.text or one.not_judged for one in found)
        assert all(1 <= one.line <= text.count("\n") + 1 for one in found)
        if not any(mark in text for mark in ("<<", "`", "\\")):
            # Each line is an instruction then, and none of them is lost.
            assert stages == len(re.findall(r"^\s*FROM\s+\S", text, re.MULTILINE | re.IGNORECASE))
