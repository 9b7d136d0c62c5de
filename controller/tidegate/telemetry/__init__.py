"""Told about decisions and calls, never asked: metrics and logs."""
