"""The edge that the API server calls: the HTTPS server, its certificate, readiness, and kopf's host for both."""
