"""Trusted roots of Sigstore from TUF repositories: fetched by whoever may wait, never in a request.

What is kept on disk is believed no more than what is fetched: the client of TUF verifies both, from the root that the
repository was named with. What a trusted root says is not looked at here.
"""
