"""How ECR is set up to keep and scan images, and the findings of its basic scans."""

import pytest

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import APP, OTHER
from tests.simulator.registry import ScanRule, matches_glob


class TestSettings:
    def test_mutability_and_its_exclusions(self, world, client):
        world.add_repository("team/app", mutability="IMMUTABLE")
        world.set_mutability("team/app", "IMMUTABLE_WITH_EXCLUSION", exclusions=["dev-*", "latest"])
        shown = client("ecr").describe_repositories(repositoryNames=["team/app"])["repositories"][0]
        assert shown["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert [each["filter"] for each in shown["imageTagMutabilityExclusionFilters"]] == ["dev-*", "latest"]

    def test_one_missing_repository_fails_the_call(self, world, client):
        world.add_repository("team/app")
        names = ["team/app", "team/absent"]
        assert code_of(client("ecr").describe_repositories, repositoryNames=names) == "RepositoryNotFoundException"

    def test_absent_policies_are_errors(self, world, client):
        world.add_repository("team/app")
        ecr = client("ecr")
        assert code_of(ecr.get_repository_policy, **APP) == "RepositoryPolicyNotFoundException"
        assert code_of(ecr.get_lifecycle_policy, **APP) == "LifecyclePolicyNotFoundException"

    def test_pull_through_rules_by_prefix(self, world, client):
        world.add_pull_through_rule("hub", upstream="docker-hub")
        world.add_pull_through_rule("quay", upstream="quay", upstream_url="quay.io")
        ecr = client("ecr")
        assert len(ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]) == 2
        one = ecr.describe_pull_through_cache_rules(ecrRepositoryPrefixes=["quay"])["pullThroughCacheRules"]
        assert [each["upstreamRegistry"] for each in one] == ["quay"]
        missing = {"ecrRepositoryPrefixes": ["k8s"]}
        assert code_of(ecr.describe_pull_through_cache_rules, **missing) == "PullThroughCacheRuleNotFoundException"

    @pytest.mark.parametrize(
        ("scan_type", "rules", "frequency"),
        [
            pytest.param("ENHANCED", [], "CONTINUOUS_SCAN", id="enhanced without rules covers all"),
            pytest.param("ENHANCED", [("CONTINUOUS_SCAN", "prod")], "MANUAL", id="enhanced, no rule matches"),
            pytest.param("BASIC", [], "MANUAL", id="basic is manual by default"),
            pytest.param("BASIC", [("SCAN_ON_PUSH", "app")], "SCAN_ON_PUSH", id="a filter without star is a substring"),
            pytest.param(
                "ENHANCED",
                [("SCAN_ON_PUSH", "*"), ("CONTINUOUS_SCAN", "team/*")],
                "CONTINUOUS_SCAN",
                id="continuous wins",
            ),
        ],
    )
    def test_scan_frequency_of_a_repository(self, world, client, scan_type, rules, frequency):
        world.add_repository("team/app")
        world.set_scanning(scan_type, rules=[ScanRule(frequency=each, filters=(name,)) for each, name in rules])
        ecr = client("ecr")
        shown = ecr.batch_get_repository_scanning_configuration(repositoryNames=["team/app"])
        assert shown["scanningConfigurations"][0]["scanFrequency"] == frequency
        assert ecr.get_registry_scanning_configuration()["scanningConfiguration"]["scanType"] == scan_type

    @pytest.mark.parametrize(
        ("pattern", "matched"),
        [
            pytest.param("*prod", {"prod", "repo-prod"}, id="star first"),
            pytest.param("prod*", {"prod", "prod-repo", "prodrepo"}, id="star last"),
            pytest.param("prod*repo", {"prod-repo", "prodrepo"}, id="star between"),
            pytest.param("*prod*", {"prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"}, id="both ends"),
            pytest.param("prod", {"prod"}, id="no star"),
            pytest.param("pr*od*od", set(), id="parts may not overlap"),
        ],
    )
    def test_globs(self, pattern, matched):
        names = ["prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"]
        assert {name for name in names if matches_glob(pattern, name)} == matched


class TestRegistry:
    """What only the registry's own account is told."""

    @pytest.mark.parametrize(
        ("operation", "code"),
        [
            ("get_registry_policy", "RegistryPolicyNotFoundException"),
            ("get_signing_configuration", "SigningConfigurationNotFoundException"),
        ],
    )
    def test_there_is_nothing_until_it_is_set(self, client, operation, code):
        assert code_of(getattr(client("ecr"), operation)) == code

    def test_a_registry_replicates_nothing_until_told(self, client):
        assert client("ecr").describe_registry()["replicationConfiguration"] == {"rules": []}

    def test_a_registry_policy_and_its_scope(self, world, client):
        world.set_registry_policy("{}", scope="V1")
        ecr = client("ecr")
        assert ecr.get_registry_policy()["policyText"] == "{}"
        assert ecr.get_account_setting(name="REGISTRY_POLICY_SCOPE")["value"] == "V1"
        assert code_of(ecr.get_account_setting, name="OTHER") == "InvalidParameterException"

    def test_all_repositories_come_in_pages(self, world, client):
        for number in range(5):
            world.add_repository(f"team/app{number}")
        pages = client("ecr").get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
        names = [[each["repositoryName"] for each in page["repositories"]] for page in pages]
        assert names == [["team/app0", "team/app1"], ["team/app2", "team/app3"], ["team/app4"]]

    def test_the_registry_of_another_account_is_not_shown(self, world, sim, client):
        """The role of the account is not assumed here."""
        world.add_account(OTHER)
        call = client("ecr").describe_pull_through_cache_rules
        assert code_of(call, registryId=OTHER) == "AccessDeniedException"

    def test_an_archived_image_says_since_when(self, world, client):
        world.add_image("team/app")
        world.archive_image("team/app", "v1")
        found = client("ecr").describe_images(**APP, filter={"imageStatus": "ANY"})["imageDetails"][0]
        assert "lastArchivedAt" in found


class TestScanFindings:
    def find(self, client, **more):
        return client("ecr").describe_image_scan_findings(**APP, imageId={"imageTag": "v1"}, **more)

    def test_enhanced_pages_hold_a_hundred_whatever_is_asked(self, world, client):
        world.add_image("team/app")
        for _ in range(130):
            world.add_finding("team/app", "v1")
        first = self.find(client, maxResults=1000)
        assert len(first["imageScanFindings"]["enhancedFindings"]) == 100
        rest = self.find(client, maxResults=1000, nextToken=first["nextToken"])
        assert len(rest["imageScanFindings"]["enhancedFindings"]) == 30
        assert "nextToken" not in rest

    @pytest.mark.parametrize("scan_type", ["BASIC", "ENHANCED"])
    def test_an_image_never_scanned_has_no_scan(self, world, client, scan_type):
        world.set_scanning(scan_type)
        world.add_image("team/app", scanned=False)
        arguments = APP | {"imageId": {"imageTag": "v1"}}
        assert code_of(client("ecr").describe_image_scan_findings, **arguments) == "ScanNotFoundException"

    @pytest.mark.parametrize(
        ("scan_type", "code"),
        [
            pytest.param("ENHANCED", "ScanNotFoundException", id="enhanced says that there is no scan"),
            pytest.param("BASIC", None, id="basic answers"),
        ],
    )
    def test_a_reader_of_another_account(self, world, client, scan_type, code):
        world.set_scanning(scan_type, account=OTHER)
        world.add_repository("team/app", account=OTHER, readers=[world.account])
        world.add_image("team/app", account=OTHER)
        arguments = APP | {"registryId": OTHER, "imageId": {"imageTag": "v1"}}
        call = client("ecr").describe_image_scan_findings
        if code:
            assert code_of(call, **arguments) == code
        else:
            assert call(**arguments)["imageScanStatus"]["status"] == "COMPLETE"

    @pytest.mark.parametrize(
        ("coverage", "status"),
        [
            (("ACTIVE", "SUCCESSFUL"), "ACTIVE"),
            (("ACTIVE", "PENDING_INITIAL_SCAN"), "PENDING"),
            (("ACTIVE", "SCAN_IN_PROGRESS"), "IN_PROGRESS"),
            (("INACTIVE", "UNSUPPORTED_OS"), "UNSUPPORTED_IMAGE"),
            (("INACTIVE", "SCAN_ELIGIBILITY_EXPIRED"), "SCAN_ELIGIBILITY_EXPIRED"),
            (("INACTIVE", "ACCESS_DENIED"), "FINDINGS_UNAVAILABLE"),
        ],
    )
    def test_ecr_words_inspectors_coverage(self, world, client, coverage, status):
        world.add_image("team/app")
        world.set_coverage("team/app", "v1", *coverage)
        assert self.find(client)["imageScanStatus"]["status"] == status

    @pytest.mark.parametrize("status", ["IN_PROGRESS", "FAILED", "UNSUPPORTED_IMAGE", "LIMIT_EXCEEDED"])
    def test_a_basic_scan_that_is_not_complete_has_no_findings(self, world, client, status):
        world.set_scanning("BASIC")
        world.add_image("team/app")
        world.set_basic_scan("team/app", "v1", status, description="why")
        answer = self.find(client)
        assert answer["imageScanStatus"] == {"status": status, "description": "why"}
        assert "imageScanFindings" not in answer

    def test_basic_findings_name_package_and_version(self, world, client):
        world.set_scanning("BASIC")
        world.add_image("team/app")
        world.add_finding("team/app", "v1", id="CVE-2099-1", severity="HIGH", package="zlib", installed="1.2")
        found = self.find(client)["imageScanFindings"]
        assert found["findingSeverityCounts"] == {"HIGH": 1}
        assert {each["key"]: each["value"] for each in found["findings"][0]["attributes"]} == {
            "package_name": "zlib",
            "package_version": "1.2",
        }
