"""ImagePolicy specs that the parser and the API server refuse, with what each says of them; see examples.py."""

from tests.unit.policy import refused_attestations, refused_repository, refused_scopes, refused_signatures
from tests.unit.policy.examples import IGNORED, SCANNED, counting, ignoring
from tests.unit.policy.refusal import UNKNOWN, Refused

NO_REQUIREMENT = "expected at least one of registries, tags, scan"
NO_RULE = "expected a requirement: maxCounts, epssThreshold or exploitAvailable: Deny"
DENY_AND_WARN = "expected at most one of Deny and Warn; remove Warn"
DURATION = "expected a duration from"
PLATFORM = "expected a platform such as linux/amd64"

REFUSED: dict[str, Refused] = {
    "no spec": Refused(None, "spec: got nothing, expected a mapping", "spec: Required value"),
    "a policy without requirement": Refused({}, "spec: got no requirement", f"spec: Invalid value: {NO_REQUIREMENT}"),
    "a match without requirement": Refused({"match": {}}, "spec: got no requirement", NO_REQUIREMENT),
    "an unknown field": Refused(SCANNED | {"sacn": {}}, "did you mean scan?", f'{UNKNOWN} "spec.sacn"'),
    "an unknown field deep down": Refused(
        ignoring(expires="2027-01-01"),
        "spec.vulnerabilities.ignore[0].expires: got a field that does not exist here, expected one of id, until, reason",
        f'{UNKNOWN} "spec.vulnerabilities.ignore[0].expires"',
    ),
    "a severity in lower case": Refused(
        counting(maxCounts={"critical": 0}),
        "did you mean CRITICAL?",
        f'{UNKNOWN} "spec.vulnerabilities.maxCounts.critic',
    ),
    "a severity that no version knows": Refused(
        counting(maxCounts={"UNKNOWN": 0}), "maxCounts.UNKNOWN: got a field", f'{UNKNOWN} "spec.vuln'
    ),
    "no action": Refused(
        SCANNED | {"validationActions": []},
        "spec.validationActions: got a list of 0, expected 1 to 3 items",
        "spec.validationActions in body should have at least 1 items",
    ),
    "an unknown action": Refused(
        SCANNED | {"validationActions": ["Block"]},
        "spec.validationActions[0]: got 'Block', expected Deny or Warn or Audit; use one of Deny, Warn, Audit",
        'spec.validationActions[0]: Unsupported value: "Block"',
    ),
    "an action in lower case": Refused(
        SCANNED | {"validationActions": ["deny"]}, "did you mean Deny?", 'Unsupported value: "deny"'
    ),
    "an action twice": Refused(
        SCANNED | {"validationActions": ["Deny", "Deny"]},
        "spec.validationActions: got 'Deny' twice, expected each once",
        'spec.validationActions[1]: Duplicate value: "Deny"',
    ),
    "Deny with Warn": Refused(
        SCANNED | {"validationActions": ["Warn", "Deny"]},
        "spec.validationActions: got Deny and Warn, expected at most one of Deny and Warn; remove Warn",
        DENY_AND_WARN,
    ),
    "actions that are no list": Refused(
        SCANNED | {"validationActions": "Deny"},
        "spec.validationActions: got 'Deny', expected a list",
        "spec.validationActions in body must be of type array",
    ),
    **refused_scopes.REFUSED,
    "a scan without its mapping": Refused(
        {"scan": None},
        "spec.scan: got nothing, expected a mapping; write its fields below it, or {} for the defaults",
        NO_REQUIREMENT,
    ),
    "an unknown tolerance": Refused(
        {"scan": {"whenPending": "Warn"}},
        "spec.scan.whenPending: got 'Warn', expected Deny or Allow",
        'spec.scan.whenPending: Unsupported value: "Warn"',
    ),
    "another unknown tolerance": Refused(
        {"scan": {"whenExpired": True}}, "spec.scan.whenExpired: got true", "spec.scan.whenExpired in body must be of"
    ),
    "a third unknown tolerance": Refused(
        {"scan": {"whenUnsupported": "allow"}},
        "whenUnsupported: got 'allow', expected Deny or Allow; did you mean Allow?",
        'Unsupported value: "allow"',
    ),
    "an age of nothing": Refused(
        {"scan": {"maxAge": "0s"}}, "spec.scan.maxAge: got '0s', expected a duration from 1m to 365d", DURATION
    ),
    "an age under a minute": Refused({"scan": {"maxAge": "59s"}}, "spec.scan.maxAge: got '59s'", DURATION),
    "an age of no days": Refused({"scan": {"maxAge": "0d"}}, "spec.scan.maxAge: got '0d'", DURATION),
    "an age over a year": Refused({"scan": {"maxAge": "366d"}}, "spec.scan.maxAge: got '366d'", DURATION),
    "an age over a year in hours": Refused({"scan": {"maxAge": "8761h"}}, "maxAge: got '8761h'", DURATION),
    "an age without its unit": Refused(
        {"scan": {"maxAge": "30"}},
        "maxAge: got '30', expected a duration from 1m to 365d; write days alone such as 7d, or hours, minutes and",
        DURATION,
    ),
    "an age that is a number": Refused({"scan": {"maxAge": 30}}, "maxAge: got the number 30", "must be of type string"),
    "an empty age": Refused({"scan": {"maxAge": ""}}, "maxAge: got ''", "should be at least 1 chars long"),
    "an age in weeks": Refused({"scan": {"maxAge": "2w"}}, "maxAge: got '2w'", DURATION),
    "an age with a sign": Refused({"scan": {"maxAge": "-1h"}}, "maxAge: got '-1h'", DURATION),
    "an age with a fraction": Refused({"scan": {"maxAge": "1.5h"}}, "maxAge: got '1.5h'", DURATION),
    "an age of days and hours": Refused({"scan": {"maxAge": "1d12h"}}, "maxAge: got '1d12h'", DURATION),
    "an age in the wrong order": Refused({"scan": {"maxAge": "30m1h"}}, "maxAge: got '30m1h'", DURATION),
    "an age with a space": Refused({"scan": {"maxAge": "1h "}}, "maxAge: got '1h '", DURATION),
    "an age in digits of another script": Refused({"scan": {"maxAge": "\u0661d"}}, "maxAge: got", DURATION),
    "settling over an hour": Refused(
        {"scan": {"settlingPeriod": "1h1s"}}, "settlingPeriod: got '1h1s', expected a duration from 0s to 1h", DURATION
    ),
    "settling for a day": Refused({"scan": {"settlingPeriod": "1d"}}, "settlingPeriod: got '1d'", DURATION),
    "vulnerabilities without requirement": Refused(
        {"vulnerabilities": {"onlyFixable": True}},
        f"spec.vulnerabilities: got no requirement, {NO_RULE}",
        f"spec.vulnerabilities: Invalid value: {NO_RULE}",
    ),
    "vulnerabilities that only allow": Refused(
        {"vulnerabilities": {"exploitAvailable": "Allow"}}, "got no requirement", NO_RULE
    ),
    "no severity": Refused(
        {"vulnerabilities": {"maxCounts": {}}},
        "spec.vulnerabilities.maxCounts: got no field, expected at least one of CRITICAL, HIGH, MEDIUM",
        "spec.vulnerabilities.maxCounts in body should have at least 1 properties",
    ),
    "a negative count": Refused(
        counting(maxCounts={"HIGH": -1}),
        "spec.vulnerabilities.maxCounts.HIGH: got the number -1, expected a whole number from 0 to 100000",
        "HIGH in body should be greater than or equal to 0",
    ),
    "a count larger than any": Refused(
        counting(maxCounts={"HIGH": 100_001}), "HIGH: got the number 100001", "should be less than or equal to 100000"
    ),
    "half a finding": Refused(
        counting(maxCounts={"HIGH": 0.5}),
        "HIGH: got the number 0.5, expected a whole number",
        "must be of type integer",
    ),
    "a count in quotes": Refused(
        counting(maxCounts={"HIGH": "0"}), "HIGH: got '0', expected a whole number", "must be of type integer"
    ),
    "a count that is a flag": Refused(
        counting(maxCounts={"HIGH": False}), "HIGH: got false", "must be of type integer"
    ),
    "onlyFixable in words": Refused(counting(onlyFixable="yes"), "onlyFixable: got 'yes'", "must be of type boolean"),
    "an EPSS below nothing": Refused(
        {"vulnerabilities": {"epssThreshold": -0.01}},
        "epssThreshold: got the number -0.01, expected a number from 0 to 1",
        "should be greater than or equal to 0",
    ),
    "an EPSS in percent": Refused(
        {"vulnerabilities": {"epssThreshold": 50}}, "epssThreshold: got the number 50", "less than or equal to 1"
    ),
    "an EPSS in quotes": Refused(
        {"vulnerabilities": {"epssThreshold": "0.5"}}, "epssThreshold: got '0.5'", "must be of type number"
    ),
    "an unknown word for exploits": Refused(
        counting(exploitAvailable="deny"), "exploitAvailable: got 'deny'", 'Unsupported value: "deny"'
    ),
    "an unknown word for suppressed": Refused(
        counting(suppressed="Ignore"), "suppressed: got 'Ignore'", 'Unsupported value: "Ignore"'
    ),
    "a grace over a year": Refused(
        counting(gracePeriod="366d"), "gracePeriod: got '366d', expected a duration from 0s to 365d", DURATION
    ),
    "a grace for running images without an end": Refused(
        counting(runningImages={}), "runningImages.for: got nothing", "runningImages.for: Required value"
    ),
    "a grace of nothing for running images": Refused(
        counting(runningImages={"for": "0s"}), "for: got '0s', expected a duration from 1m to 365d", DURATION
    ),
    "an unknown word for running images": Refused(
        counting(runningImages={"for": "1h", "action": "Deny"}), "action: got 'Deny'", 'Unsupported value: "Deny"'
    ),
    "an ignored id twice": Refused(
        counting(ignore=[IGNORED, IGNORED | {"reason": "another"}]),
        "spec.vulnerabilities.ignore: got 'CVE-2026-0001' twice, expected each once; remove one of the two",
        "spec.vulnerabilities.ignore[1]: Duplicate value",
    ),
    "an id with a space": Refused(ignoring(id="CVE 1"), "ignore[0].id: got 'CVE 1'", "id in body should match"),
    "an id of one letter": Refused(ignoring(id="C"), "ignore[0].id: got 'C'", "should be at least 2 chars long"),
    "an id longer than any": Refused(ignoring(id="A" * 129), "ignore[0].id: got", "may not be more than 128"),
    "no id": Refused(
        counting(ignore=[{"until": "2027-01-31", "reason": "r"}]), "ignore[0].id: got nothing", "id: Required value"
    ),
    "no until": Refused(
        counting(ignore=[{"id": "CVE-1", "reason": "r"}]), "ignore[0].until: got nothing", "until: Required value"
    ),
    "no reason": Refused(
        counting(ignore=[{"id": "CVE-1", "until": "2027-01-31"}]),
        "ignore[0].reason: got nothing, expected one line of 1 to 512 characters that is not blank; state why it may be ignored",
        "reason: Required value",
    ),
    "a day that does not exist": Refused(
        ignoring(until="2027-02-29"),
        "ignore[0].until: got '2027-02-29', expected a date as YYYY-MM-DD; write the day from which it counts again",
        "until in body must be of type date",
    ),
    "a day with a time": Refused(
        ignoring(until="2027-01-31T00:00:00Z"), "until: got '2027-01-31T00:00:00Z'", "ignore[0].until"
    ),
    "a day in another order": Refused(ignoring(until="31-01-2027"), "until: got '31-01-2027'", "of type date"),
    "a day in the year nought": Refused(ignoring(until="0000-01-01"), "until: got '0000-01-01'", "should match"),
    "an empty reason": Refused(ignoring(reason=""), "reason: got ''", "should be at least 1 chars long"),
    "a blank reason": Refused(
        ignoring(reason="  "), "reason: got '  '", "expected one line of 1 to 512 characters that is not blank"
    ),
    "a reason of two lines": Refused(
        ignoring(reason="a\nb"), r"reason: got 'a\nb'", "expected one line of 1 to 512 characters"
    ),
    "a reason longer than any": Refused(ignoring(reason="r" * 513), "reason: got", "may not be more than 512"),
    "five hundred and one ignored": Refused(
        counting(ignore=[IGNORED | {"id": f"CVE-{index}"} for index in range(501)]),
        "ignore: got a list of 501, expected 0 to 500 items",
        "must have at most 500 items",
    ),
    "a platform without architecture": Refused(
        SCANNED | {"platforms": ["linux"]},
        "spec.platforms[0]: got 'linux', expected a platform such as linux/amd64",
        f'spec.platforms[0]: Invalid value: "linux": {PLATFORM}',
    ),
    "a platform in upper case": Refused(
        SCANNED | {"platforms": ["Linux/AMD64"]}, "spec.platforms[0]: got 'Linux/AMD64'", PLATFORM
    ),
    "a platform of four parts": Refused(
        SCANNED | {"platforms": ["a/b/c/d"]}, "spec.platforms[0]: got 'a/b/c/d'", PLATFORM
    ),
    "a platform twice": Refused(
        SCANNED | {"platforms": ["linux/amd64", "linux/amd64"]},
        "spec.platforms: got 'linux/amd64' twice",
        'spec.platforms[1]: Duplicate value: "linux/amd64"',
    ),
    "seventeen platforms": Refused(
        SCANNED | {"platforms": [f"linux/a{index}" for index in range(17)]},
        "spec.platforms: got a list of 17",
        "must have at most 16 items",
    ),
    "an unknown word for undetermined": Refused(
        SCANNED | {"onUndetermined": "Ignore"}, "spec.onUndetermined: got 'Ignore'", 'Unsupported value: "Ignore"'
    ),
    "staleness over a week": Refused(
        SCANNED | {"maxStale": "8d"}, "spec.maxStale: got '8d', expected a duration from 0s to 7d", DURATION
    ),
    "staleness over a week in hours": Refused(SCANNED | {"maxStale": "168h1s"}, "maxStale: got '168h1s'", DURATION),
    "exceptions from nothing": Refused(
        SCANNED | {"namespacedExceptions": {"checks": []}},
        "spec.namespacedExceptions: got nothing, expected what may be excepted",
        "expected what may be excepted: checks or vulnerabilities",
    ),
    "exceptions from an unknown check": Refused(
        SCANNED | {"namespacedExceptions": {"checks": ["everything"]}},
        "spec.namespacedExceptions.checks[0]: got 'everything'",
        'Unsupported value: "everything"',
    ),
    "exceptions without an end": Refused(
        SCANNED | {"namespacedExceptions": {"checks": ["tags"], "maxDuration": "366d"}},
        "spec.namespacedExceptions.maxDuration: got '366d', expected a duration from 1m to 365d",
        "expected a duration from 1m to 365d",
    ),
    **refused_repository.REFUSED,
    **refused_signatures.REFUSED,
    **refused_attestations.REFUSED,
}
