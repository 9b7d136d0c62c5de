"""Whatever AWS answers, it is read or it is AwsUnavailableError: nothing else escapes, and nothing is lost silently."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.aws.test_ecr_images import APP_IDS, described, failure, image, repository, wildcard
from tests.unit.aws.test_ecr_scan import finding as basic_finding
from tests.unit.aws.test_ecr_scan import page
from tests.unit.aws.test_findings import wire
from tests.unit.aws.test_inspection import APP, REGISTRY, resource, row
from tidegate.aws.configuration_answers import (
    read_descriptions,
    read_replication,
    read_repository_scanning,
    read_scanning,
    read_scope,
    read_signing,
)
from tidegate.aws.ecr_images import read_images, read_manifests, read_repositories
from tidegate.aws.ecr_scan import read_report
from tidegate.aws.inspection import CoverageRows, ImageFindings, Targets
from tidegate.aws.stored_images import read_stored_images
from tidegate.evidence.image import Absence
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRepository

TEAM_APP = EcrRepository(REGISTRY, "team/app")


def coverage(answer):
    read = CoverageRows(Targets(REGISTRY, [APP]), "x")
    read.add(answer)
    return read.answers(complete=True)


def findings(answer):
    read = ImageFindings(Targets(REGISTRY, [APP]), "x")
    read.add(answer)
    return read.answers(complete=True)


READERS = {
    "DescribeImages": (
        lambda answer: read_images(answer, TEAM_APP, APP_IDS, "x"),
        {"imageDetails": [described()]},
    ),
    "BatchGetImage": (
        lambda answer: read_manifests(answer, TEAM_APP, [APP[1]], "x", absent=Absence.IMAGE),
        {"images": [image()], "failures": [failure("ImageNotFound")]},
    ),
    "DescribeRepositories": (
        lambda answer: read_repositories(answer, REGISTRY, ["team/app"], "x"),
        {"repositories": [repository("IMMUTABLE_WITH_EXCLUSION", [wildcard("v*")])]},
    ),
    "DescribeImageScanFindings": (
        lambda answer: read_report([answer], "x", more=False),
        page(basic_finding(package_name="zlib"), counts={"HIGH": 1}, enhancedFindings=[wire()]),
    ),
    "DescribeRepositories of configuration": (
        lambda answer: read_descriptions(answer, REGISTRY, ["team/app"], "x"),
        {
            "repositories": [
                repository("IMMUTABLE") | {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "k"}},
            ],
        },
    ),
    "BatchGetRepositoryScanningConfiguration": (
        lambda answer: read_repository_scanning(answer, REGISTRY, ["team/app", "gone"], "x"),
        {
            "scanningConfigurations": [
                {
                    "repositoryArn": TEAM_APP.arn,
                    "repositoryName": "team/app",
                    "scanFrequency": "MANUAL",
                    "appliedScanFilters": [wildcard("v*")],
                }
            ],
            "failures": [{"repositoryName": "gone", "failureCode": "REPOSITORY_NOT_FOUND"}],
        },
    ),
    "GetRegistryScanningConfiguration": (
        lambda answer: read_scanning(answer, "x"),
        {
            "scanningConfiguration": {
                "scanType": "ENHANCED",
                "rules": [{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [wildcard("v*")]}],
            }
        },
    ),
    "DescribeRegistry": (
        lambda answer: read_replication(answer, REGISTRY, "x"),
        {
            "replicationConfiguration": {
                "rules": [
                    {
                        "destinations": [{"region": "us-east-1", "registryId": "444455556666"}],
                        "repositoryFilters": [{"filter": "team/", "filterType": "PREFIX_MATCH"}],
                    }
                ]
            }
        },
    ),
    "GetSigningConfiguration": (
        lambda answer: read_signing(answer, "x"),
        {
            "signingConfiguration": {
                "rules": [
                    {
                        "signingProfileArn": "arn",
                        "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD_MATCH"}],
                    }
                ]
            }
        },
    ),
    "GetAccountSetting": (lambda answer: read_scope(answer, "x"), {"name": "REGISTRY_POLICY_SCOPE", "value": "V2"}),
    "DescribeImages of all": (
        lambda answer: read_stored_images(answer, TEAM_APP, "x"),
        {"imageDetails": [described()]},
    ),
    "ListCoverage": (coverage, {"coveredResources": [row()]}),
    "ListFindings": (findings, {"findings": [wire(resources=[resource()])]}),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("ACTIVE") | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value, path=()):
    """Give the paths to everything inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def with_replaced(value, path, new):
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return changed


@pytest.mark.parametrize("operation", READERS)
@given(data=st.data())
def test_an_answer_with_anything_anywhere_is_read_or_is_no_answer(operation, data):
    read, answer = READERS[operation]
    path = data.draw(st.sampled_from(sorted(places(answer), key=str)))
    with contextlib.suppress(SourceUnavailableError):
        read(with_replaced(answer, path, data.draw(ANYTHING)))


@pytest.mark.parametrize("operation", READERS)
@given(answer=ANYTHING)
def test_anything_at_all_is_read_or_is_no_answer(operation, answer):
    with contextlib.suppress(SourceUnavailableError):
        READERS[operation][0](answer)


@given(data=st.data())
def test_a_finding_of_an_image_is_counted_or_its_image_is_not_answered(data):
    """Whatever is wrong with a finding, its image never looks clean because of it, unless AWS says it is closed."""
    answer = {"findings": [wire(resources=[resource()])]}
    inside = [path for path in places(answer) if path[:3] != ("findings", 0, "resources") and len(path) > 2]
    path = data.draw(st.sampled_from(sorted(inside, key=str)))
    try:
        (found,) = findings(with_replaced(answer, path, data.draw(ANYTHING))).values()
    except SourceUnavailableError:
        return
    assert isinstance(found, SourceUnavailableError) or len(found.findings) == 1
