"""Verdicts as objects of the cluster: one ImageVerdict for each image in use, encoded and decoded. Pure: no I/O."""
