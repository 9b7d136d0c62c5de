"""The command line, with the same engine as in the cluster, for people and CI pipelines."""
