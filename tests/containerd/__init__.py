"""The real containerd's choice among the images of an index, on generated indexes."""
