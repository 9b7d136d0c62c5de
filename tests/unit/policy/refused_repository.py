"""Specs whose section ``repository`` the parser and the API server refuse, with what each says of them."""

from typing import Any

from tests.unit.policy.refusal import UNKNOWN, Refused

ARN = "expected the ARN of an IAM role or user, with * in its name only"
ROLE = "arn:aws:iam::111122223333:role/"


def pushing(*principals: Any) -> dict[str, Any]:
    return {"repository": {"push": {"restrictedTo": list(principals)}}}


def no_principal(arn: str) -> Refused:
    return Refused(pushing(arn), f"spec.repository.push.restrictedTo[0]: got {arn!r}, {ARN}", ARN)


REFUSED: dict[str, Refused] = {
    "nothing of the repository": Refused(
        {"repository": {}},
        "spec.repository: got no field, expected at least one of push, pull, scanning, encryption, lifecycle",
        "spec.repository: Invalid value: 0: spec.repository in body should have at least 1 properties",
    ),
    "nobody who may push": Refused(
        {"repository": {"push": {}}},
        "spec.repository.push: got no field, expected at least one of restrictedTo, accounts, organizations",
        "should have at least 1 properties",
    ),
    "no principal that may push": Refused(
        pushing(), "spec.repository.push.restrictedTo: got a list of 0", "should have at least 1 items"
    ),
    "a principal twice": Refused(
        pushing(f"{ROLE}ci", f"{ROLE}ci"), f"restrictedTo: got '{ROLE}ci' twice", "Duplicate value"
    ),
    "too many principals": Refused(
        pushing(*(f"{ROLE}ci-{number}" for number in range(51))),
        "restrictedTo: got a list of 51",
        "must have at most 50 items",
    ),
    "a principal that is too long": Refused(
        pushing(ROLE + "x" * 230), "restrictedTo[0]: got 'arn:aws:iam", "may not be more than 256 bytes"
    ),
    "the session of a role": no_principal("arn:aws:sts::111122223333:assumed-role/ci-push/build"),
    "the session of a role in IAM": no_principal("arn:aws:iam::111122223333:assumed-role/ci-push"),
    "the root of an account": no_principal("arn:aws:iam::111122223333:root"),
    "all principals of an account": no_principal("arn:aws:iam::111122223333:*"),
    "all roles of an account": no_principal(f"{ROLE}*"),
    "all roles of an account and of all paths": no_principal(f"{ROLE}*/*"),
    "roles of every account": no_principal("arn:aws:iam::*:role/ci-push"),
    "everyone": no_principal("*" * 20),
    "a role with a wildcard for one character": no_principal(f"{ROLE}ci?push"),
    "a role with a policy variable": no_principal(f"{ROLE}${{aws:username}}"),
    "an account by its name": Refused(
        {"repository": {"pull": {"accounts": ["production00"]}}},
        "spec.repository.pull.accounts[0]: got 'production00', expected an AWS account id of 12 digits",
        "should match '^[0-9]{12}$'",
    ),
    "any organization": Refused(
        {"repository": {"pull": {"organizations": ["o-**********"]}}},
        "spec.repository.pull.organizations[0]: got 'o-**********', expected the id of an organization",
        "should match '^o-",
    ),
    "a service without its domain": Refused(
        {"repository": {"pull": {"services": ["lambda"]}}},
        "spec.repository.pull.services[0]: got 'lambda', expected a service principal such as lambda.amazonaws.com",
        "should match '^[a-z0-9]",
    ),
    "scanning by its name at AWS": Refused(
        {"repository": {"scanning": "CONTINUOUS_SCAN"}},
        "spec.repository.scanning: got 'CONTINUOUS_SCAN', expected Continuous or OnPush",
        'Unsupported value: "CONTINUOUS_SCAN"',
    ),
    "encryption that is always there": Refused(
        {"repository": {"encryption": "AES256"}},
        "spec.repository.encryption: got 'AES256', expected KMS",
        'Unsupported value: "AES256"',
    ),
    "a lifecycle that is not known": Refused(
        {"repository": {"lifecycle": "KeepsImages"}},
        "spec.repository.lifecycle: got 'KeepsImages', expected Required or KeepsRunningImages",
        'Unsupported value: "KeepsImages"',
    ),
    "a misspelt field": Refused(
        {"repository": {"encryption": "KMS", "scaning": "OnPush"}},
        "spec.repository.scaning: got a field that does not exist here, expected one of push, pull, scanning",
        f'{UNKNOWN} "spec.repository.scaning"',
    ),
}
