"""Admission requests: decoded, the images of each workload listed, judged, and answered with messages for users. Pure."""
