"""What an image is: references, digests, manifests and platforms. Pure; nothing here looks anything up."""
