"""Sigstore signatures and attestations: bundles, cosign's older layers, trust roots and identities, as one numbered procedure.

The arguments are bytes, a time and a trust root; the result is a proof, or the step that failed. Nothing here fetches a
signature, contacts a log, updates a trust root or reads a clock. Keyless signatures are verified by sigstore-python, behind
``adapter``; it takes 0.4 seconds to import, so that happens on the first signature that needs it, or in ``preload``.
"""


def preload() -> None:
    """Import what the first keyless verification needs, so that no request waits for it."""
    import tidegate.verify.sigstore.adapter  # noqa: F401, PLC0415 -- this is the place to wait for it
