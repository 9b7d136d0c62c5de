"""Timestamp countersignatures (RFC 3161)."""
