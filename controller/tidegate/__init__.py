"""tidegate: decides which Amazon ECR images may run on a Kubernetes cluster."""

__version__ = "0.1.0"
