"""Inspector's filters, pages and accounts, and scans that change as the clock moves."""

from datetime import UTC, datetime

import pytest

from tests.integration.simulator.conformance import code_of
from tests.integration.simulator.conftest import OTHER
from tests.simulator import Package


def equals(*values):
    return [{"comparison": "EQUALS", "value": value} for value in values]


def differs(*values):
    return [{"comparison": "NOT_EQUALS", "value": value} for value in values]


def prefix(value):
    return [{"comparison": "PREFIX", "value": value}]


class TestListFindings:
    @pytest.fixture
    def digests(self, world):
        made = {
            "app": world.add_image("team/app", "v1", in_use=2),
            "web": world.add_image("team/web", "v1", platform="linux/arm64"),
            "old": world.add_image("old/app", "v0"),
        }
        world.add_finding("team/app", "v1", id="A", severity="CRITICAL", fixed="2", exploit=True, epss=0.9, score=9.8)
        world.add_finding("team/app", "v1", id="B", severity="LOW", epss=0.1, score=2.0, first_observed_at="-10d")
        world.add_finding("team/web", "v1", id="C", severity="HIGH", status="SUPPRESSED", package="zlib")
        half = [
            Package(name="curl", installed="7", fixed="8"),
            Package(name="libcurl", installed="7", path="/usr/lib/x"),
        ]
        world.add_finding("old/app", "v0", id="D", severity="CRITICAL", packages=half, epss=0.5)
        return made

    def ids(self, client, criteria, **more):
        answer = client("inspector2").list_findings(filterCriteria=criteria, **more)
        return "".join(sorted(each["packageVulnerabilityDetails"]["vulnerabilityId"] for each in answer["findings"]))

    @pytest.mark.parametrize(
        ("criteria", "found"),
        [
            pytest.param({}, "ABCD", id="no filter gives all"),
            pytest.param({"severity": equals("CRITICAL", "LOW")}, "ABD", id="values of a filter are alternatives"),
            pytest.param(
                {"severity": equals("CRITICAL", "LOW"), "ecrImageRepositoryName": equals("team/app")},
                "AB",
                id="filters all have to hold",
            ),
            pytest.param({"severity": differs("CRITICAL", "LOW")}, "C", id="of unwanted values none may be"),
            pytest.param({"ecrImageRepositoryName": prefix("team/")}, "ABC", id="a prefix"),
            pytest.param(
                {"ecrImageRepositoryName": [*prefix("team/"), *differs("team/web")]}, "AB", id="wanted and unwanted mix"
            ),
            pytest.param({"findingStatus": equals("ACTIVE")}, "ABD", id="status leaves the suppressed out"),
            pytest.param({"fixAvailable": equals("PARTIAL")}, "D", id="some packages have a fix"),
            pytest.param({"fixAvailable": equals("YES")}, "A", id="all packages have a fix"),
            pytest.param({"exploitAvailable": equals("YES")}, "A", id="an exploit is known"),
            pytest.param({"epssScore": [{"lowerInclusive": 0.5}]}, "AD", id="a lower bound counts itself in"),
            pytest.param({"epssScore": [{"lowerInclusive": 0.5, "upperInclusive": 0.6}]}, "D", id="both bounds"),
            pytest.param({"inspectorScore": [{"upperInclusive": 2.0}]}, "B", id="an absent score is in no range"),
            pytest.param({"ecrImageArchitecture": equals("arm64")}, "C", id="architecture"),
            pytest.param({"ecrImageInUseCount": [{"lowerInclusive": 1}]}, "AB", id="in use"),
            pytest.param({"ecrImageTags": equals("v0")}, "D", id="a tag"),
            pytest.param({"ecrImageTags": differs("v0")}, "ABC", id="without a tag"),
            pytest.param({"vulnerabilityId": equals("B", "D")}, "BD", id="vulnerability"),
            pytest.param({"findingType": equals("CODE_VULNERABILITY")}, "", id="a type that is not there"),
            pytest.param({"lambdaFunctionName": equals("x")}, "", id="a property that images have not"),
            pytest.param({"vulnerablePackages": [{"name": equals("zlib")[0]}]}, "C", id="a package"),
            pytest.param(
                {"vulnerablePackages": [{"name": equals("curl")[0], "filePath": equals("/usr/lib/x")[0]}]},
                "",
                id="one package has to have all that is asked of it",
            ),
        ],
    )
    def test_filters(self, digests, client, criteria, found):
        assert self.ids(client, criteria) == found

    def test_a_time_range(self, digests, client):
        past = datetime(2000, 1, 1, tzinfo=UTC)
        recent = {"startInclusive": datetime.fromtimestamp(0, UTC), "endInclusive": past}
        assert self.ids(client, {"firstObservedAt": [recent]}) == ""
        assert self.ids(client, {"firstObservedAt": [{"startInclusive": past}]}) == "ABCD"

    def test_by_digest(self, digests, client):
        assert self.ids(client, {"ecrImageHash": equals(digests["app"], digests["old"])}) == "ABD"
        assert self.ids(client, {"ecrImageHash": equals(digests["app"], digests["app"])}) == "AB"
        assert self.ids(client, {"ecrImageHash": prefix("sha256:")}) == "ABCD"

    def test_by_resource(self, world, digests, client):
        arn = world.image("old/app", "v0").arn
        assert self.ids(client, {"resourceId": equals(arn)}) == "D"

    def test_a_digest_in_two_repositories_has_findings_of_each(self, world, client):
        digest = world.add_image("a/a", content="same")
        world.add_image("b/b", content="same")
        world.add_finding("a/a", "v1", id="A")
        world.add_finding("b/b", "v1", id="B")
        assert self.ids(client, {"ecrImageHash": equals(digest)}) == "AB"
        one = {"ecrImageHash": equals(digest), "ecrImageRepositoryName": equals("b/b")}
        assert self.ids(client, one) == "B"

    @pytest.mark.parametrize("number", [10, 11])
    def test_a_filter_takes_ten_values(self, digests, client, number):
        values = equals(*(digests["app"] for _ in range(number)))
        for criteria in ({"ecrImageHash": values}, {"severity": values}):
            if number > 10:
                arguments = {"filterCriteria": criteria}
                assert code_of(client("inspector2").list_findings, **arguments) == "ValidationException"
            else:
                self.ids(client, criteria)

    def test_pages_hold_a_hundred(self, world, client):
        world.add_image("team/app")
        for _ in range(230):
            world.add_finding("team/app", "v1")
        inspector = client("inspector2")
        pages = inspector.get_paginator("list_findings").paginate(PaginationConfig={"PageSize": 100})
        sizes = [len(each["findings"]) for each in pages]
        assert sizes == [100, 100, 30]
        assert code_of(inspector.list_findings, maxResults=101) == "ValidationException"

    def test_sorting_by_severity_puts_the_worst_first(self, digests, client):
        answer = client("inspector2").list_findings(sortCriteria={"field": "SEVERITY", "sortOrder": "DESC"})
        assert [each["severity"] for each in answer["findings"]] == ["CRITICAL", "CRITICAL", "HIGH", "LOW"]

    def test_a_fix_that_is_not_there_is_called_so(self, digests, client):
        found = client("inspector2").list_findings(filterCriteria={"vulnerabilityId": equals("B")})["findings"][0]
        assert found["fixAvailable"] == "NO"
        assert found["packageVulnerabilityDetails"]["vulnerablePackages"][0]["fixedInVersion"] == "NotAvailable"


class TestListCoverage:
    def rows(self, client, **criteria):
        resources = client("inspector2").list_coverage(filterCriteria=criteria)["coveredResources"]
        return {each["resourceId"]: each["scanStatus"] for each in resources}

    def test_by_resource_id(self, world, client):
        world.add_image("team/app", "v1")
        world.add_image("team/app", "v2")
        arn = world.image("team/app", "v2").arn
        assert self.rows(client, resourceId=equals(arn)) == {arn: {"statusCode": "ACTIVE", "reason": "SUCCESSFUL"}}

    def test_an_image_never_scanned_has_no_row(self, world, client):
        world.add_image("team/app", scanned=False)
        assert self.rows(client, resourceType=equals("AWS_ECR_CONTAINER_IMAGE")) == {}

    def test_an_index_has_no_row_but_its_children_have(self, world, client):
        _, children = world.add_index("team/app", "v1")
        rows = self.rows(client, resourceType=equals("AWS_ECR_CONTAINER_IMAGE"))
        assert {each.rpartition("/")[2] for each in rows} == set(children.values())

    def test_repositories_have_rows_of_their_own(self, world, client):
        repository = world.add_repository("team/app")
        assert list(self.rows(client, resourceType=equals("AWS_ECR_REPOSITORY"))) == [repository.arn]

    def test_status_filters(self, world, client):
        for tag in ("v1", "v2"):
            world.add_image("team/app", tag)
        world.set_coverage("team/app", "v2", "INACTIVE", "UNSUPPORTED_OS")
        arn = world.image("team/app", "v2").arn
        assert list(self.rows(client, scanStatusCode=equals("INACTIVE"))) == [arn]
        assert arn not in self.rows(client, scanStatusReason=differs("UNSUPPORTED_OS"))

    def test_a_row_that_is_pending_has_no_scan_date(self, world, client):
        world.add_image("team/app", scanned=False)
        world.set_coverage("team/app", "v1", "ACTIVE", "PENDING_INITIAL_SCAN")
        criteria = {"resourceType": equals("AWS_ECR_CONTAINER_IMAGE")}
        assert "lastScannedAt" not in client("inspector2").list_coverage(filterCriteria=criteria)["coveredResources"][0]

    @pytest.mark.parametrize("number", [10, 11])
    def test_a_filter_takes_ten_values(self, world, client, number):
        arns = [world.image("team/app", tag).arn for tag, _ in world.add_scanned_images("team/app", number)]
        if number > 10:
            arguments = {"filterCriteria": {"resourceId": equals(*arns)}}
            assert code_of(client("inspector2").list_coverage, **arguments) == "ValidationException"
        else:
            assert set(self.rows(client, resourceId=equals(*arns))) == set(arns)


class TestAccounts:
    def test_findings_belong_to_the_registrys_account(self, world, client, assumed):
        digest = world.add_image("team/app", account=OTHER)
        world.add_finding("team/app", "v1", account=OTHER)
        criteria = {"filterCriteria": {"ecrImageHash": equals(digest)}}
        assert client("inspector2").list_findings(**criteria)["findings"] == []
        assert len(client("inspector2", credentials=assumed).list_findings(**criteria)["findings"]) == 1

    def test_a_delegated_administrator_sees_its_members(self, world, client):
        world.add_account(world.account, members=[OTHER])
        world.add_image("team/app", account=OTHER)
        world.add_finding("team/app", "v1", account=OTHER)
        inspector = client("inspector2")
        assert len(inspector.list_findings()["findings"]) == 1
        assert [each["accountId"] for each in inspector.batch_get_account_status(accountIds=[OTHER])["accounts"]] == [
            OTHER
        ]

    def test_findings_belong_to_a_region(self, world, client):
        digest = world.add_image("team/app", region="us-east-1")
        world.add_finding("team/app", "v1", region="us-east-1")
        criteria = {"filterCriteria": {"ecrImageHash": equals(digest)}}
        assert client("inspector2").list_findings(**criteria)["findings"] == []
        assert len(client("inspector2", region="us-east-1").list_findings(**criteria)["findings"]) == 1

    def test_inspector_that_is_off_refuses(self, world, client):
        world.add_account(world.account, inspector="DISABLED")
        inspector = client("inspector2")
        assert code_of(inspector.list_findings) == "AccessDeniedException"
        assert inspector.batch_get_account_status()["accounts"][0]["resourceState"]["ecr"]["status"] == "DISABLED"

    def test_others_status_is_not_told(self, client):
        failed = client("inspector2").batch_get_account_status(accountIds=[OTHER])["failedAccounts"]
        assert [each["errorCode"] for each in failed] == ["ACCESS_DENIED"]


class TestTime:
    """Scans told in advance happen when the clock says so."""

    def seen(self, client):
        inspector = client("inspector2")
        rows = inspector.list_coverage(filterCriteria={"resourceType": equals("AWS_ECR_CONTAINER_IMAGE")})
        reasons = [each["scanStatus"]["reason"] for each in rows["coveredResources"]]
        return reasons, len(inspector.list_findings()["findings"])

    def test_scanned_before_the_findings_are_there(self, world, client):
        """The race of a scan that is called successful while its findings are still to come."""
        world.clock.freeze()
        world.add_image("team/app", pushed_at=0, scanned=False)
        world.set_coverage("team/app", "v1", "ACTIVE", "PENDING_INITIAL_SCAN", at=10)
        world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", at=60)
        world.add_finding("team/app", "v1", at=90)
        story = []
        for _ in range(4):
            story.append(self.seen(client))
            world.clock.advance(30)
        assert story == [([], 0), (["PENDING_INITIAL_SCAN"], 0), (["SUCCESSFUL"], 0), (["SUCCESSFUL"], 1)]

    def test_a_finding_stays_when_coverage_changes_later(self, world, client):
        world.clock.freeze()
        world.add_image("team/app")
        world.set_coverage("team/app", "v1", "ACTIVE", "SCAN_IN_PROGRESS", at=100)
        world.add_finding("team/app", "v1", at=50)
        world.clock.advance(100)
        assert self.seen(client) == (["SCAN_IN_PROGRESS"], 1)

    def test_expiry_closes_findings(self, world, client):
        world.add_image("team/app")
        world.add_finding("team/app", "v1")
        world.set_coverage("team/app", "v1", "INACTIVE", "SCAN_ELIGIBILITY_EXPIRED")
        status = client("inspector2").list_findings()["findings"][0]["status"]
        assert status == "CLOSED"

    def test_what_changed_is_found_by_its_time(self, world, client):
        """A finding that is closed changes then, though no scan saw it any more."""
        world.clock.freeze("2025-01-01T00:00:00Z")
        world.add_image("team/app")
        kept = world.add_finding("team/app", "v1", id="A", at=-3600)
        world.add_finding("team/app", "v1", id="B", at=-3600)
        world.set_findings("team/app", "v1", [kept])
        criteria = {"updatedAt": [{"startInclusive": datetime(2025, 1, 1, tzinfo=UTC)}]}
        (found,) = client("inspector2").list_findings(filterCriteria=criteria)["findings"]
        assert found["packageVulnerabilityDetails"]["vulnerabilityId"] == "B"
        assert (found["status"], found["updatedAt"]) == ("CLOSED", datetime(2025, 1, 1, tzinfo=UTC))
        criteria = {"lastScannedAt": [{"startInclusive": datetime(2025, 1, 1, tzinfo=UTC)}]}
        assert client("inspector2").list_coverage(filterCriteria=criteria)["coveredResources"] == []

    def test_archiving_closes_findings_and_says_so(self, world, client):
        world.add_image("team/app")
        world.add_finding("team/app", "v1")
        world.archive_image("team/app", "v1")
        inspector = client("inspector2")
        assert self.seen(client)[0] == ["IMAGE_ARCHIVED"]
        assert inspector.list_findings(filterCriteria={"findingStatus": equals("ACTIVE")})["findings"] == []

    def test_a_row_taken_away_takes_its_findings(self, world, client):
        world.add_image("team/app")
        world.add_finding("team/app", "v1")
        world.remove_coverage("team/app", "v1")
        assert self.seen(client) == ([], 0)

    def test_a_scan_keeps_its_date_while_another_runs(self, world, client):
        world.clock.freeze("2025-01-01T00:00:00Z")
        world.add_image("team/app")
        world.set_coverage("team/app", "v1", "ACTIVE", "SUCCESSFUL", last_scanned_at="-2h")
        world.set_coverage("team/app", "v1", "ACTIVE", "SCAN_IN_PROGRESS")
        criteria = {"resourceType": equals("AWS_ECR_CONTAINER_IMAGE")}
        row = client("inspector2").list_coverage(filterCriteria=criteria)["coveredResources"][0]
        assert row["lastScannedAt"] == datetime(2024, 12, 31, 22, tzinfo=UTC)
