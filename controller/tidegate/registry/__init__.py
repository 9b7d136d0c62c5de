"""Registries other than Amazon ECR, by the OCI distribution protocol 1.1, read only.

They are asked for manifests and signatures of images whose registry a policy lists, and no others are asked. The only
check here is that content has the digest by which it was requested.
"""
