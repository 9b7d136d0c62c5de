"""The command line: the same engine as in the cluster, for a person or a CI pipeline."""
