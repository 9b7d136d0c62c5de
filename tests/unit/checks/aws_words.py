"""What each word of AWS means for a policy, written down from AWS's own documentation and from nothing in tidegate.

Sources: the enums and member documentation of the service models of Amazon Inspector (inspector2, 2020-06-08) and Amazon ECR
(ecr, 2015-09-21) as the SDK carries them; "Scanning Amazon ECR container images" and "Amazon ECR re-scan duration" of the
Inspector user guide; "Image scanning", "Image tag mutability" and "Archive an image" of the ECR user guide. What is in
quotes below is what the service model says of the word. A word that is new in the SDK has no row here, and a test fails.
"""

GOOD, EXEMPT, BAD, UNKNOWN = "Pass", "Exempt", "Fail", "Undetermined"
"""What must come of a pair, in the words of an outcome."""
CLOSED = "Fail or Undetermined"

# What a scan can mean -----------------------------------------------------------------------------------------------------

SCANNED, SETTLING, LONG_AGO = "scanned", "scanned a moment ago for the first time", "scanned long ago"
PENDING, EXPIRED, UNSUPPORTED = "pending", "expired", "unsupported"
NOT_SCANNED, UNTOLD = "not scanned", "not told"
ONCE = "scanned one time"
"""As SCANNED where there is a time; else "will be scanned one time" is all that is known."""
SCANNED_BEFORE = "being scanned"
"""Pending; with a time of a scan beside it, as SETTLING, unless an earlier scan is proved."""

REASONS: dict[str, tuple[str, str]] = {
    # "The scan was successful."
    "SUCCESSFUL": ("ACTIVE", SCANNED),
    # "This resource has been identified for scanning, results will be available soon."
    "PENDING_INITIAL_SCAN": ("ACTIVE", PENDING),
    # Not explained; an image that was inactive and is scanned anew.
    "PENDING_REVIVAL_SCAN": ("ACTIVE", PENDING),
    # "The resource is currently being scanned."
    "SCAN_IN_PROGRESS": ("ACTIVE", SCANNED_BEFORE),
    # "This image will be scanned one time and will not new findings because of the scan frequency configuration." Which
    # status code stands beside it is not said.
    "SCAN_FREQUENCY_SCAN_ON_PUSH": ("either", ONCE),
    # "The configured scan duration has lapsed for this image." Its findings are closed then (re-scan duration).
    "SCAN_ELIGIBILITY_EXPIRED": ("INACTIVE", EXPIRED),
    # "This image will not be covered by Amazon Inspector due to the repository scan frequency configuration."
    "SCAN_FREQUENCY_MANUAL": ("INACTIVE", NOT_SCANNED),
    # "This resource was not scanned because it has been excluded by a tag."
    "EXCLUDED_BY_TAG": ("INACTIVE", NOT_SCANNED),
    # "This resource has been terminated. The findings and coverage ... are in the process of being cleaned up."
    "RESOURCE_TERMINATED": ("INACTIVE", NOT_SCANNED),
    # "This resource is pending cleanup during disablement."
    "PENDING_DISABLE": ("INACTIVE", NOT_SCANNED),
    # "Reserved for future use."
    "NO_RESOURCES_FOUND": ("INACTIVE", NOT_SCANNED),
    # "Amazon Inspector does not support this OS, architecture, or image manifest type at this time."
    "UNSUPPORTED_OS": ("INACTIVE", UNSUPPORTED),
    # "The ECR image has an unsupported media type."
    "UNSUPPORTED_MEDIA_TYPE": ("INACTIVE", UNSUPPORTED),
    # "Reserved for future use.", both of them; the names leave no doubt.
    "UNSUPPORTED_CONFIG_FILE": ("INACTIVE", UNSUPPORTED),
    "IMAGE_SIZE_EXCEEDED": ("INACTIVE", UNSUPPORTED),
    # "Resource access policy restricting Amazon Inspector access." and "The KMS key policy doesn't allow ... access."
    "ACCESS_DENIED": ("INACTIVE", NOT_SCANNED),
    "ACCESS_DENIED_TO_ENCRYPTION_KEY": ("INACTIVE", NOT_SCANNED),
    # "This image has been archived in Amazon ECR and is no longer available for scanning in Amazon Inspector."
    "IMAGE_ARCHIVED": ("INACTIVE", NOT_SCANNED),
    # "Amazon Inspector has encountered an internal error for this resource. ... will automatically ... resume the scanning."
    "INTERNAL_ERROR": ("INACTIVE", UNTOLD),
}
"""The status code that each reason of a container image stands beside, and what it means."""

OF_OTHER_RESOURCES = {
    # Of virtual machines
    "UNMANAGED_EC2_INSTANCE",
    "EC2_INSTANCE_STOPPED",
    "NO_INVENTORY",
    "STALE_INVENTORY",
    "DEEP_INSPECTION_PACKAGE_COLLECTION_LIMIT_EXCEEDED",
    "DEEP_INSPECTION_DAILY_SSM_INVENTORY_LIMIT_EXCEEDED",
    "DEEP_INSPECTION_COLLECTION_TIME_LIMIT_EXCEEDED",
    "DEEP_INSPECTION_NO_INVENTORY",
    "AGENTLESS_INSTANCE_STORAGE_LIMIT_EXCEEDED",
    "AGENTLESS_INSTANCE_COLLECTION_TIME_LIMIT_EXCEEDED",
    "RESOURCE_UNMANAGED",
    "RESOURCE_STOPPED",
    # Of functions and of source code
    "UNSUPPORTED_RUNTIME",
    "UNSUPPORTED_CODE_ARTIFACTS",
    "UNSUPPORTED_LANGUAGE",
    "INTEGRATION_CONNECTION_LOST",
    "NO_SCAN_CONFIGURATION_ASSOCIATED",
    # Of what is extracted; not explained for images
    "EXTRACTION_COLLECTION_TIME_LIMIT_EXCEEDED",
    "STORAGE_LIMIT_EXCEEDED",
    "INVALID_ARTIFACT",
}
"""Reasons that are not documented for container images: beside an image nothing is told."""

CODES = {"ACTIVE", "INACTIVE"}

BASIC: dict[str, str] = {
    # "Image scanning": COMPLETE is the end of a basic scan, ACTIVE the state of an image that is scanned continuously.
    "ACTIVE": SCANNED,
    "COMPLETE": ONCE,
    "IN_PROGRESS": PENDING,
    "PENDING": PENDING,
    "FAILED": UNTOLD,
    "FINDINGS_UNAVAILABLE": UNTOLD,
    "UNSUPPORTED_IMAGE": UNSUPPORTED,
    "IMAGE_SIZE_EXCEEDED": UNSUPPORTED,
    "SCAN_ELIGIBILITY_EXPIRED": EXPIRED,
    "LIMIT_EXCEEDED": NOT_SCANNED,
    "IMAGE_ARCHIVED": NOT_SCANNED,
}

BY_DEFAULT = {
    SCANNED: GOOD,
    LONG_AGO: GOOD,
    SETTLING: BAD,
    PENDING: BAD,
    EXPIRED: BAD,
    UNSUPPORTED: BAD,
    NOT_SCANNED: BAD,
    UNTOLD: UNKNOWN,
}
"""What a policy that demands a scan makes of each meaning: only an image that was scanned, at a known time, is good."""

# What a finding can say ---------------------------------------------------------------------------------------------------

# "The status of the finding.": a suppression rule hides a SUPPRESSED one, and a CLOSED one is remediated or gone.
FINDING_STATUSES = {"ACTIVE", "SUPPRESSED", "CLOSED"}
SEVERITIES = {"CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED"}
# "This value can be YES, NO, or PARTIAL. A PARTIAL fix means that some, but not all, of the packages ... have fixes".
FIXES = {"YES", "NO", "PARTIAL"}
EXPLOITS = {"YES", "NO"}
BASIC_SEVERITIES = {"CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"}
"""ECR's UNDEFINED is Inspector's UNTRIAGED: nobody gave a severity yet."""
FINDING_TYPES = {"PACKAGE_VULNERABILITY", "NETWORK_REACHABILITY", "CODE_VULNERABILITY"}
SCAN_TYPES = {"PACKAGE", "NETWORK", "CODE"}
"""Only PACKAGE looks for vulnerable packages; a row of another type covers none."""

# What a repository and an image can say ------------------------------------------------------------------------------------

MUTABILITY: dict[str, dict[str, str]] = {
    "MUTABLE": {"match": BAD, "no match": BAD, "none": BAD},
    "IMMUTABLE": {"match": GOOD, "no match": GOOD, "none": GOOD},
    # "Image tag mutability": the filters of IMMUTABLE_WITH_EXCLUSION are mutable tags, the others' are immutable ones.
    "IMMUTABLE_WITH_EXCLUSION": {"match": BAD, "no match": GOOD, "none": GOOD},
    "MUTABLE_WITH_EXCLUSION": {"match": GOOD, "no match": BAD, "none": BAD},
}
"""Whether a tag stays, by the repository's mode and by whether one of its exclusion filters matches the tag."""
FILTER_TYPES = {"WILDCARD"}
REGISTRY_SCAN_TYPES = {"BASIC", "ENHANCED"}

IMAGE_STATUSES: dict[str, str] = {
    # "Archive an image": archived images cannot be pulled, and neither can those that are being restored.
    "ACTIVE": GOOD,
    "ARCHIVED": BAD,
    "ACTIVATING": BAD,
}
