"""X.509 certificates and chains by the rules of the Notary Project's certificate profile."""
