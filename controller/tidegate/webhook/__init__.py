"""The part that the API server calls: HTTPS server, serving certificate, readiness, and kopf's host of the server."""
