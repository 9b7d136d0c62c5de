"""Trust policies: the statement that applies to an artifact, and trustpolicy.json."""
