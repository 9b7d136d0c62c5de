"""Signature envelopes: JWS and COSE, their signed attributes and their payload."""
