"""A hermetic public key infrastructure: authorities that make certificates, timestamps, OCSP answers, CRLs, signatures.

Nothing here listens or asks: functions make bytes. What they make is well-formed unless a test says otherwise.
"""
