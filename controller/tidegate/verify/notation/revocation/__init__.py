"""Revocation of certificates: OCSP and CRLs. Answers come in as bytes; nothing is asked here."""
