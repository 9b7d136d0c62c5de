"""Fetches trusted roots of Sigstore from TUF repositories.

The TUF client verifies files on disk and files from the network alike, starting from the repository's configured root. The
content of a trusted root is not parsed here.
"""
