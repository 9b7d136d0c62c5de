"""The Kubernetes API: its client, watches and resyncs, and the objects that they keep."""
