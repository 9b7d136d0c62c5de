"""An AWS simulator that real boto3 talks to: ECR, Inspector2, Signer, SQS and STS over HTTP, for tests, benches and the demo.

In a test, in a thread of its own::

    from tests.simulator import Simulator, World

    world = World()                                  # account 111122223333, eu-west-1
    digest = world.add_image("team/app", "v1")       # scanned, clean, pushed a day ago; makes the repository
    world.add_finding("team/app", "v1", severity="CRITICAL", package="openssl", installed="3.0.1", fixed="3.0.2")
    with Simulator(world) as sim:
        ecr = sim.client("ecr")                      # or any boto3 client with endpoint_url=sim.url
        ecr.describe_images(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])
        assert sim.calls("ecr", "DescribeImages") == 1
        sim.inject("throttle", service="inspector2", operation="ListFindings", times=2)

As a process (controlled over HTTP, see control.py)::

    python -m tests.simulator --scenario tests/simulator/scenarios/demo.yaml --port 4566 --latency-ms 30

Environment of a process that is to talk to it: `sim.environment()`, or AWS_ENDPOINT_URL=URL and
AWS_ACCESS_KEY_ID=AKIASIMULATOR0000001 AWS_SECRET_ACCESS_KEY=simulated. Every region is served; a call's region is that of
its signature. Keys that nobody issued are refused.

A node pulls what it serves from the same port, by the OCI distribution protocol (pulls.py); World(program=...) and
scenario.load(..., program=...) make images that start a static executable, so that they run. `address=` is where it listens.

World (world.py, scan_changes.py, signature_changes.py and signing.py, keyword arguments, `account=` and `region=` everywhere; images are named by tag or digest):
    add_account(id, roles=, scan_type=, inspector=, members=)   other accounts: AccessDenied without AssumeRole of a role
                                                                there ("arn:aws:iam::ID:role/tidegate-reader")
    add_repository(name, mutability=, exclusions=, readers=), set_mutability, remove_repository
    add_image(repo, tag, content=, platform=, pushed_at=, scanned=, status=) -> digest
    add_index(repo, tag, platforms=) -> (digest, {platform: child digest});  add_huge_index, add_manifest, add_referrer
    add_scanned_images(repo, n) -> [(tag, digest)];  move_tag, remove_image, archive_image, set_manifest_bytes
    set_coverage(repo, image, status, reason, last_scanned_at=, at=), remove_coverage
    add_finding(repo, image, severity=, id=, package=, installed=, fixed=, exploit=, epss=, status=, at=), set_findings
    signing.sign_with_aws_signer, sign_with_notation, sign_with_key, sign_keyless: sign an image or attest it, see
                                                                signing.py; authorities.trust_stores() verify that
    add_signature(repo, image, envelope, kind="notation", layout=) -> manifest digest;  add_artifact, set_signing_status
    add_revocation(ARN or certificate hash, since=), remove_revocation      what AWS Signer answers
    set_scanning("BASIC"), set_basic_scan(repo, image, status);  add_pull_through_rule(prefix)
    set_registry_policy(text, scope=), set_replication(rules), set_signing(rules);  add_repository(policy=, lifecycle=,
                                                                encryption=, kms_key=)
    add_queue(name, max_receives=) -> URL of an SQS queue that gets the EventBridge events of all changes from then on, without
                                                                `at=`;  add_event(detail type, detail), add_message(body)
`at=` and other moments are datetimes, ISO text or seconds from now (`-3600`, "+2m"), so scans over time can be told in
advance and played by `world.clock.advance(seconds)` (or `freeze`).

Simulator: url, client(), environment(), inject(), clear(), calls(), ids(), log(), reset_counters(), latency_seconds, clock,
expire_sessions(). Kinds of faults are in faults.py.
"""

from tests.simulator.clock import Clock
from tests.simulator.faults import Fault, FaultKind
from tests.simulator.scans import Finding, Package
from tests.simulator.server import Simulator
from tests.simulator.world import World

__all__ = ["Clock", "Fault", "FaultKind", "Finding", "Package", "Simulator", "World"]
