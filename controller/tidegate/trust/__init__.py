"""What trust stores point to: ConfigMaps, trusted roots from TUF repositories, keys in AWS KMS, and their refresh.

It needs no cluster: the command line uses it too.
"""
