"""Namespaces of Linux that a node of Kubernetes lives in, held by a program that outlives the tests and cleans up.

Apart from holder.py, the harness's side, this is standard library only: it runs without site packages.
"""
