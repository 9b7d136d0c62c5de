"""What a node pulls from the simulated ECR is what the AWS calls describe."""

import gzip
import io
import json
import tarfile

import pytest
import urllib3

from tests.simulator import Simulator, World
from tests.simulator.manifests import sha256

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
OTHER = "444455556666"
PROGRAM = b"\x7fELF, if it were one"


@pytest.fixture
def pull(sim):
    with urllib3.PoolManager(retries=False, timeout=10) as http:

        def ask(path, method="GET", host=HOST):
            return http.request(method, f"{sim.url}/v2/{path}?ns={host}")

        yield ask


def test_a_manifest_is_had_by_tag_and_by_the_digest_that_ecr_tells(world, pull, client):
    digest = world.add_image("team/app", "v1")
    described = client("ecr").describe_images(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])
    assert described["imageDetails"][0]["imageDigest"] == digest
    for reference in ("v1", digest):
        answer = pull(f"team/app/manifests/{reference}")
        assert sha256(answer.data) == answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Content-Type"] == described["imageDetails"][0]["imageManifestMediaType"]
        head = pull(f"team/app/manifests/{reference}", method="HEAD")
        assert (head.status, head.data, head.headers["Content-Length"]) == (200, b"", str(len(answer.data)))


def test_the_blobs_that_a_manifest_names_are_had(world, pull):
    world.add_image("team/app", "v1")
    manifest = json.loads(pull("team/app/manifests/v1").data)
    for named in (manifest["config"], *manifest["layers"]):
        blob = pull(f"team/app/blobs/{named['digest']}")
        assert (sha256(blob.data), len(blob.data)) == (named["digest"], named["size"])


def test_the_registry_that_is_named_is_the_one_that_answers(world, pull, sim):
    digests = {account: world.add_image("team/app", "v1", account=account) for account in (None, OTHER)}
    assert pull("team/app/manifests/v1").headers["Docker-Content-Digest"] == digests[None]
    other = pull("team/app/manifests/v1", host=HOST.replace("111122223333", OTHER))
    assert other.headers["Docker-Content-Digest"] == digests[OTHER]
    assert pull("team/app/manifests/v1", host=HOST.replace("eu-west-1", "us-east-1")).status == 404
    assert pull("team/app/manifests/v1", host="docker.io").status == 404
    unnamed = urllib3.request("GET", f"{sim.url}/v2/team/app/manifests/v1")
    assert unnamed.headers["Docker-Content-Digest"] == digests[None]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("team/none/manifests/v1", id="no such repository"),
        pytest.param("team/app/manifests/v9", id="no such tag"),
        pytest.param("team/app/blobs/sha256:" + "0" * 64, id="no such blob"),
        pytest.param("team/app/tags/list", id="nothing that a node asks"),
        pytest.param("team/archived/manifests/v1", id="an archived image"),
    ],
)
def test_what_is_not_there_is_not_found(world, pull, path):
    world.add_image("team/app", "v1")
    world.add_image("team/archived", "v1", status="ARCHIVED")
    assert pull(path).status == 404


def test_a_world_with_a_program_has_images_that_start_it(pull, sim):
    running = World(program=PROGRAM)
    sim.world.push("team/app", running.image("team/app", running.add_image("team/app", "v1")).manifest, "v1")
    manifest = json.loads(pull("team/app/manifests/v1").data)
    config = json.loads(pull(f"team/app/blobs/{manifest['config']['digest']}").data)
    (layer,) = [pull(f"team/app/blobs/{each['digest']}").data for each in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [sha256(gzip.decompress(layer))]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        (entry,) = tar.getmembers()
        assert (f"/{entry.name}", entry.mode) == (config["config"]["Entrypoint"][0], 0o755)
        content = tar.extractfile(entry)
        assert content is not None
        assert content.read() == PROGRAM


def test_images_with_a_program_are_told_apart_and_the_same_each_time():
    first, second = (World(program=PROGRAM) for _ in range(2))
    made = [world.add_image("team/app", content=content) for world in (first, second) for content in ("a", "b")]
    assert made[:2] == made[2:]
    assert made[0] != made[1]
    children = first.add_index("team/app", content="c")[1]
    assert len(set(children.values())) == 2


def test_it_listens_where_it_is_told_to():
    with Simulator(address="127.0.0.2") as sim:
        assert sim.url.startswith("http://127.0.0.2:")
        sim.client("sts").get_caller_identity()
