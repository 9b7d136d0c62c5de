"""Fetches OCSP responses and CRLs over HTTP, from hosts that the operator listed.

The responses are verified in ``verify`` and cached in ``gather``.
"""
