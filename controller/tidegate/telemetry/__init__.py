"""Metrics and logs of decisions and calls."""
