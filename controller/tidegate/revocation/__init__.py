"""The edge to services of certificates' revocation: OCSP answers and CRLs over HTTP, from hosts that the operator listed.

What they say is verified elsewhere, and kept by gathering; here bytes are fetched and nothing is believed.
"""
