"""Bytes from outside, read strictly: one reading only, everything bounded. Pure."""
