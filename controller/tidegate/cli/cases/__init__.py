"""Test cases for policies: the YAML that ``tidegate record`` writes and ``tidegate test`` runs."""
