"""``tidegate verify``: signatures of images, OCI layouts and files, step by step."""
