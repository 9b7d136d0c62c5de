"""Notation signatures: trust policies, envelopes, chains, timestamps and revocation, as one numbered procedure.

The steps and their numbers are those of the Notary Project's trust store and trust policy, signature and signing-scheme
specifications. Nothing here fetches a signature or asks a revocation service: that material comes in as bytes.
"""
