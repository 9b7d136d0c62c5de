"""What a node asks ECR: the part of the OCI distribution protocol by which a container runtime pulls an image.

It serves the bytes that the AWS calls describe. A runtime that uses the simulator as a mirror names the registry that it
means in the query, ``?ns=ACCOUNT.dkr.ecr.REGION.amazonaws.com``; without it the cluster's own is meant.
Everybody may pull, and no fault strikes here: what a node can pull isn't what tidegate decides.
"""

import json
import re
from urllib.parse import parse_qs, urlsplit

from tests.simulator.registry import Image, Repository
from tests.simulator.wire import Raw, Reply
from tests.simulator.world import World

PREFIX = "/v2/"
_JSON = "application/json"
_REGISTRY = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
_CONTENT = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[\w.:-]+)")


def answer(world: World, raw: Raw) -> Reply:
    """Answer a GET or HEAD of a manifest, by tag or digest, or of a blob; what there isn't is 404."""
    url = urlsplit(raw.path)
    if url.path == PREFIX:
        return Reply(status=200, body=b"{}", content_type=_JSON)
    where: dict[str, str] = {}
    if host := parse_qs(url.query).get("ns"):
        if (named := _REGISTRY.fullmatch(host[0])) is None:
            return _missing("NAME_UNKNOWN")
        where = named.groupdict()
    asked = _CONTENT.fullmatch(url.path)
    if asked is None or raw.method not in ("GET", "HEAD"):
        return _missing("UNSUPPORTED")
    with world.lock:
        try:
            repository = world.repository(asked["name"], **where)
        except KeyError:
            return _missing("NAME_UNKNOWN")
        if asked["kind"] == "blobs":
            return _blob(repository, asked["reference"])
        return _manifest(repository, asked["reference"])


def _blob(repository: Repository, digest: str) -> Reply:
    if digest not in repository.blobs:
        return _missing("BLOB_UNKNOWN")
    return _content(repository.blobs[digest], "application/octet-stream", digest)


def _manifest(repository: Repository, reference: str) -> Reply:
    image: Image | None = repository.images.get(repository.tags.get(reference, reference))
    if image is None or image.status != "ACTIVE":
        return _missing("MANIFEST_UNKNOWN")
    return _content(image.override or image.manifest.data, image.manifest.media_type, image.digest)


def _content(content: bytes, media_type: str, digest: str) -> Reply:
    # The server leaves the body out where the method is HEAD, and says its length all the same.
    return Reply(status=200, body=content, content_type=media_type, headers={"Docker-Content-Digest": digest})


def _missing(code: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    return Reply(status=404, body=body, content_type=_JSON)
