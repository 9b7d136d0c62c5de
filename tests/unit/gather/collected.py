"""Images whose evidence is collected, and the calls that this takes."""

import msgspec

from tests.unit.gather.fakes import IMAGE, detail
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.needs import needs
from tidegate.images.digest import digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST
from tidegate.images.platform import parse_platform
from tidegate.images.reference import parse_reference

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
TAG = parse_reference(f"{HOST}/team/app:v1")
PINNED = parse_reference(f"{HOST}/team/app@{IMAGE}")
V1 = ImageId.of_tag("v1")
SCAN = needs(settings=False, scan=True, platforms=())
SETTINGS = needs(settings=True, scan=False, platforms=())
ALL = needs(settings=True, scan=True, platforms=())
AMD64 = needs(settings=False, scan=True, platforms=(parse_platform("linux/amd64"),))
DETAIL, TAGS, TYPE = "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetRegistryScanningConfiguration"
MANIFEST, BASIC = "ecr:BatchGetImage", "ecr:DescribeImageScanFindings"
COVERAGE, FINDINGS = "inspector2:ListCoverage", "inspector2:ListFindings"
CALL = 0.1


def entry(name, platform=None, *, media_type=OCI_MANIFEST, size=100):
    described = {"mediaType": media_type, "digest": digest_of(name.encode()), "size": size}
    if platform is not None:
        described["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return described


def index(*entries):
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})


def push_index(aws, *entries, tag="v1"):
    """Push an index and give its digest; its tag is v1 unless it is an inner one."""
    content = index(*entries)
    digest = digest_of(content)
    aws.manifests[digest] = StoredManifest(content=content, media_type=OCI_INDEX)
    if tag is not None:
        aws.images[ImageId.of_tag(tag)] = detail(digest, media_type=OCI_INDEX)
    return digest, {"mediaType": OCI_INDEX, "digest": digest, "size": len(content)}


def asked(aws):
    return [source for source, _ in aws.asked]
