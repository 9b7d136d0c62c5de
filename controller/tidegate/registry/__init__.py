"""The edge to registries that are not Amazon ECR: the OCI distribution protocol 1.1, read only.

Asked for manifests and signatures of images whose registry a policy lists, and of no others. Nothing is verified here but
that bytes are those of the digest they were asked for by.
"""
