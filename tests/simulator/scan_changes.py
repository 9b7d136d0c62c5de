"""The calls by which tests change what scanners say of an image, now or at a moment to come.

A part of `World`, which holds the images; nothing here answers a request.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.simulator.clock import Moment
from tests.simulator.contents import Contents
from tests.simulator.registry import Image
from tests.simulator.scans import BasicScan, Coverage, Finding, Package


class ScanChanges(Contents):
    """Change scans; images are named by tag or digest."""

    def set_coverage(
        self,
        repository: str,
        name: str,
        status: str = "ACTIVE",
        reason: str = "SUCCESSFUL",
        *,
        last_scanned_at: Moment | None = None,
        at: Moment | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Set Inspector's coverage row of an image, from `at` on; findings stay as they are.

        Without `last_scanned_at` a SUCCESSFUL scan is dated `at`, and any other state keeps the last scan's date.
        """
        with self.lock:
            image, when = self.image(repository, name, account=account, region=region), self.clock.moment(at)
            old = image.scan(when)
            scanned = old.coverage.last_scanned_at if old.coverage else None
            if last_scanned_at is not None or reason == "SUCCESSFUL":
                scanned = self.clock.moment(when - self.clock.now() if last_scanned_at is None else last_scanned_at)
            row = Coverage(status=status, reason=reason, last_scanned_at=scanned)
            image.record(replace(old, at=when, coverage=row))
            if at is None:
                state = {"reason": reason, "statusCodeValue": status}
                self.announce("Inspector2 Coverage", image, scanStatus=state, scanType="PACKAGE")

    def remove_coverage(
        self,
        repository: str,
        name: str,
        *,
        at: Moment | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Take an image's coverage row and findings away, from `at` on."""
        with self.lock:
            image, when = self.image(repository, name, account=account, region=region), self.clock.moment(at)
            image.record(replace(image.scan(when), at=when, coverage=None, findings=()))

    def add_finding(
        self,
        repository: str,
        name: str,
        *,
        severity: str = "CRITICAL",
        id: str | None = None,  # noqa: A002  # the name that policies and Inspector use
        package: str = "openssl",
        installed: str = "3.0.11",
        fixed: str | None = None,
        packages: Sequence[Package] = (),
        at: Moment | None = None,
        first_observed_at: Moment | None = None,
        account: str | None = None,
        region: str | None = None,
        **more: Any,
    ) -> Finding:
        """Add a finding to an image, from `at` on, and to what is known of it later.

        `fixed` is the version that repairs it, None if there is none; `packages` says several; `more` are the other
        fields of `Finding`: exploit, epss, score, status, title, description, type.
        """
        with self.lock:
            image, when = self.image(repository, name, account=account, region=region), self.clock.moment(at)
            seen = when if first_observed_at is None else self.clock.moment(first_observed_at)
            finding = Finding(
                id=id or f"CVE-2099-{next(self.serial):05d}",
                severity=severity,
                packages=tuple(packages) or (Package(name=package, installed=installed, fixed=fixed),),
                first_observed_at=seen,
                last_observed_at=max(seen, when),
                **more,
            )
            image.record(replace(image.scan(when), at=when))
            image.history = [
                state if state.at < when else replace(state, findings=(*state.findings, finding))
                for state in image.history
            ]
            if at is None:
                self._announce_finding(image, finding)
            return finding

    def set_findings(
        self,
        repository: str,
        name: str,
        findings: Sequence[Finding],
        *,
        at: Moment | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Replace an image's findings, from `at` on. Those that are not there any more are closed."""
        with self.lock:
            image, when = self.image(repository, name, account=account, region=region), self.clock.moment(at)
            old, ids = image.scan(when), {each.id for each in findings}
            kept = {(each.id, each.status) for each in old.findings}
            now = [each if (each.id, each.status) in kept else replace(each, changed_at=when) for each in findings]
            gone = [each.closed(when) for each in old.findings if each.id not in ids]
            image.record(replace(old, at=when, findings=(*now, *gone)))
            for each in (*now, *gone) if at is None else ():
                if each.changed_at == when:
                    self._announce_finding(image, each)

    def set_basic_scan(
        self,
        repository: str,
        name: str,
        status: str | None = "COMPLETE",
        *,
        description: str = "",
        at: Moment | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Set the state of an image's basic scan, from `at` on; None takes it away (ScanNotFoundException)."""
        with self.lock:
            image, when = self.image(repository, name, account=account, region=region), self.clock.moment(at)
            done = when if status == "COMPLETE" else None
            scan = BasicScan(status=status, description=description, completed_at=done) if status else None
            image.record(replace(image.scan(when), at=when, basic=scan))
            if at is None:
                self.announce("ECR Image Scan", image, **{"scan-status": status})

    def _announce_finding(self, image: Image, finding: Finding) -> None:
        self.announce(
            "Inspector2 Finding",
            image,
            severity=finding.severity,
            status=finding.status,
            type=finding.type,
            # Inspector writes times of events for people to read.
            updatedAt=datetime.fromtimestamp(finding.updated_at, UTC).strftime("%a %b %d %H:%M:%S.000 UTC %Y"),
            packageVulnerabilityDetails={"vulnerabilityId": finding.id},
        )
