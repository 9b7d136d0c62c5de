"""The limits that the documents state are those of the code: each sentence is made from the constant that bounds it."""

from datetime import timedelta
from pathlib import Path

import pytest

from tidegate.admission.remembered import MAX_DECISION_BYTES, MAX_PLAN_BYTES
from tidegate.admission.request import MAX_JSON_OBJECTS
from tidegate.admission.reviewer import ANSWER_MARGIN_SECONDS
from tidegate.admission.workload import MAX_LISTED
from tidegate.aws import body, inspector
from tidegate.checks.scan import MAX_CLOCK_SKEW
from tidegate.cli.check import folder, inputs
from tidegate.cli.report import reading
from tidegate.cluster import policy_reports
from tidegate.evidence import artifact_manifest, ports, scan, signature_artifacts
from tidegate.gather import api_limiters, batch, clock, collector, patience, signature_verifications
from tidegate.images import manifest, reference
from tidegate.policy import trust_store_object
from tidegate.registry.large_manifests import LARGE_MANIFESTS, LARGE_MANIFESTS_OF_A_SHARE, SMALL_MANIFEST_BYTES
from tidegate.reports import policy_report
from tidegate.reports.html_page import PageLimits
from tidegate.strict import json_text
from tidegate.telemetry import counters, log, registries
from tidegate.trust import kms_keys, trusted_roots
from tidegate.trust.tuf import repository
from tidegate.verdicts import shape
from tidegate.verify.sigstore import cel, conditions
from tidegate.webhook import report_page
from tidegate.webhook.server import ServerLimits

DOCS = Path(__file__).resolve().parents[2] / "docs"
MEBIBYTE = 1024 * 1024
SERVER = ServerLimits()
PAGE = PageLimits()
WORDS = {2: "two", 5: "five", 8: "eight", 10: "ten", 50: "fifty"}

LIMITS = f"""
serves {SERVER.max_connections:,} connections
Of a folder it reads at most {folder.MAX_FILES:,} files and {inputs.MAX_FOLDER_BYTES // MEBIBYTE} MiB
get the status 503 after {WORDS[int(SERVER.grace_seconds)]} seconds
no more than {WORDS[signature_artifacts.MAX_EVALUATED]} signatures of an image
each up to {signature_artifacts.MAX_ENVELOPE_BYTES // MEBIBYTE} MiB
and {signature_artifacts.MAX_FOUND_BYTES // MEBIBYTE} MiB in total
a signature manifest with more than {artifact_manifest.MAX_VALUES:,} JSON values
an envelope or bundle with more than {json_text.MAX_VALUES:,} (
an image manifest with more than {manifest.MAX_VALUES:,}.
more than {MAX_JSON_OBJECTS:,} JSON objects in the old and new object together
more than {MAX_LISTED:,} containers and volumes
or more than {SERVER.max_body_bytes // MEBIBYTE} MiB of JSON
does not read an AWS response above {body.MAX_ANSWER_BYTES // MEBIBYTE} MiB
in pages of {inspector.PAGE_OF_LONG_FINDINGS}, at most {inspector.MAX_LONG_PAGES} pages
if there are more than {scan.MAX_FINDINGS:,} findings
at most {WORDS[manifest.MAX_NESTED_INDEXES]} other indexes
"""
DECIDES = f"""
the webhook's timeout less {ANSWER_MARGIN_SECONDS} seconds
If AWS takes {patience.GRACE_SECONDS * 1000:.0f} ms longer than usual (half a second at most counts as usual)
| images being looked up | {collector.MAX_COLLECTIONS:,} | {collector.MAX_COLLECTIONS_OF_A_SHARE:,};
| {api_limiters.THREADS}, of which {api_limiters.REGISTRY_CALLS} for one registry |
| {api_limiters.SEARCHES}, of which {api_limiters.REGISTRY_SEARCHES} for one registry |
| verifications of signatures | {signature_verifications.THREADS} |
above 256 KiB, up to {body.MAX_ANSWER_BYTES // MEBIBYTE} MiB, being read | {body.LARGE_ANSWERS} | {body.LARGE_ANSWERS_OF_A_SHARE} |
manifests above {SMALL_MANIFEST_BYTES // 1024} KiB of images in registries other than Amazon ECR, being read or judged | {LARGE_MANIFESTS}, of which {LARGE_MANIFESTS_OF_A_SHARE} for one registry | {LARGE_MANIFESTS_OF_A_SHARE} |
verdicts to {MAX_PLAN_BYTES // MEBIBYTE} MiB, decisions to {MAX_DECISION_BYTES // MEBIBYTE} MiB
log lines to {log.MAX_QUEUED_BYTES // MEBIBYTE} MiB
any valid reference ({reference.MAX_REFERENCE_LENGTH:,} characters)
or more than {WORDS[MAX_CLOCK_SKEW // timedelta(minutes=1)]} minutes in the future
for {WORDS[round(batch.WINDOW_SECONDS * 1000)]} milliseconds
up to {ports.MAX_IMAGE_IDS} images of a repository to ECR, {WORDS[ports.MAX_INSPECTED_IMAGES]} digests to Inspector
"""
STORES = f"""
At most {trust_store_object.MAX_STORES} in a cluster
A refresh may take {repository.REFRESH_SECONDS:.0f} seconds, and each answer {repository.MAX_FILE_BYTES // MEBIBYTE} MiB
"""
POLICY = f"""
A condition may have at most {cel.MAX_CONDITION} characters
together may take {conditions.MAX_ITERATIONS:,} steps
more than {conditions.MAX_VALUES:,} values
"""
METRICS = f"""
keeps {counters.MAX_SERIES:,} combinations of labels
the first {registries.MAX_ANSWERED} others
by {WORDS[int(clock.JUMP_SECONDS)]} seconds or more
"""
REPORTS = f"""
at most {PAGE.rows:,} rows, {PAGE.images} images and {PAGE.groups} groups of a kind
at most {reading.MAX_INPUT_BYTES // MEBIBYTE} MiB and {reading.MAX_OBJECTS:,} verdicts
at most {policy_report.MAX_RESULTS:,} results in {policy_report.MAX_REPORT_BYTES // 1024} KiB
A verdict has at most {shape.MAX_BYTES // 1024} KiB
at most every {report_page.KEPT_SECONDS:.0f} seconds
at most every {WORDS[int(policy_reports.ROUND_SECONDS)]} seconds
within {WORDS[int(policy_reports.RESYNC_SECONDS / 60)]} minutes
"""
SENTENCES = [
    pytest.param(page, sentence, id=f"{page}: {sentence}")
    for page, sentences in {
        "concepts/limits.md": LIMITS,
        "concepts/how-it-decides.md": DECIDES,
        "reference/truststore.md": STORES,
        "reference/imagepolicy.md": POLICY,
        "reference/metrics.md": METRICS,
        "reference/reports.md": REPORTS,
    }.items()
    for sentence in sentences.strip().splitlines()
]


@pytest.mark.parametrize(("page", "sentence"), SENTENCES)
def test_a_limit_is_stated_as_it_is(page, sentence):
    assert sentence in " ".join((DOCS / page).read_text().split())


def test_the_sources_of_trust_stores_are_read_as_often_as_stated():
    assert timedelta(seconds=trusted_roots.REFRESH_SECONDS) == timedelta(hours=4)
    assert timedelta(seconds=kms_keys.RENEW_SECONDS) == timedelta(days=1)
    text = " ".join((DOCS / "concepts/limits.md").read_text().split())
    assert "a trusted root within four hours, a key in AWS KMS within a day" in text
