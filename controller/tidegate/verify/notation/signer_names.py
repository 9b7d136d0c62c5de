"""How messages for users name signers: certificates by their subject, signing profiles of AWS Signer by name and region.

The ARN of a profile is not for users: it holds the number of an AWS account, which may be another organization's.
"""

import re

from tidegate.strict.quotation import alternatives, quoted
from tidegate.verify.notation.trust_policy.statement import TrustedIdentities

MAX_NAME_CHARACTERS = 200
"""Characters of one name that a message repeats."""

PROFILE = re.compile(
    r"(?P<profile>arn:(?P<partition>aws[a-z-]*):signer:(?P<region>[a-z0-9-]+):[0-9]{12}:/signing-profiles/"
    r"(?P<name>[A-Za-z0-9_.-]{1,128}))(?:/(?P<version>[A-Za-z0-9_.-]{1,64}))?",
    re.ASCII,
)
"""The ARN of a signing profile, or of one version of it."""


def subject_name(subject: str) -> str:
    """Return the subject of a certificate in quotes."""
    return quoted(subject, MAX_NAME_CHARACTERS)


def profile_name(arn: str, *, version: bool = True) -> str:
    """Return name and region of a signing profile, and its version where the ARN has one and it is wanted."""
    found = PROFILE.fullmatch(arn)
    if found is None:
        return "another identity"
    of_version = f" version {quoted(found['version'])}" if version and found["version"] else ""
    return f"AWS Signer profile {quoted(found['name'])}{of_version} ({found['region']})"


def accepted_signers(identities: TrustedIdentities) -> str:
    """Return whom the identities accept, for messages: at most three names."""
    names = [subject_name(str(subject)) for subject in identities.subjects]
    names += [profile_name(identity) for identity in identities.others]
    return alternatives(names)
