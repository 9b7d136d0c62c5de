"""AdmissionReviews as the API server sends them, and the wrk scripts that post them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.bench.http_layer import review_of_seven_kilobytes

ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


def review_of(*images: str, namespace: str = "bench") -> bytes:
    """Return the review of the creation of a 7 KB Pod with these images as its containers."""
    review = json.loads(review_of_seven_kilobytes())
    request = review["request"]
    request["namespace"] = request["object"]["metadata"]["namespace"] = namespace
    spec = request["object"]["spec"]
    spec.pop("initContainers")
    template = spec["containers"][0]
    spec["containers"] = [{**template, "name": f"c{index}", "image": image} for index, image in enumerate(images)]
    return json.dumps(review, separators=(",", ":")).encode()


def write_wrk_script(folder: Path, bodies: Sequence[bytes]) -> Path:
    """Write the bodies and a wrk script that posts them in turn; return the script."""
    for index, body in enumerate(bodies):
        (folder / f"body-{index}.json").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(
        f"""
local bodies, at = {{}}, 0
for index = 0, {len(bodies) - 1} do
  local file = io.open("{folder}/body-" .. index .. ".json", "rb")
  bodies[index] = file:read("*a")
  file:close()
end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  at = (at + 1) % {len(bodies)}
  return wrk.format(nil, nil, nil, bodies[at])
end
"""
    )
    return script


def write_wrk_script_of_images(folder: Path, images: int) -> Path:
    """Write a wrk script that posts reviews of ``bench/app:v0``, ``bench/app:v1`` and so on in turn; return the script.

    Each run of wrk begins somewhere else, so that a short one does not ask for what the one before asked for last.
    """
    before, _, after = review_of(f"{ECR}/bench/app:v0").decode().partition(':v0"')
    (folder / "before.json").write_text(before)
    (folder / "after.json").write_text(after)
    script = folder / "post.lua"
    script.write_text(
        f"""
local function read(name)
  local file = io.open("{folder}/" .. name .. ".json", "rb")
  return file:read("*a")
end
local before, after, at = read("before") .. ":v", '"' .. read("after"), os.time() * 7919 % {images}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  at = (at + 1) % {images}
  return wrk.format(nil, nil, nil, before .. at .. after)
end
"""
    )
    return script
