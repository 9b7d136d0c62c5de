"""The only home of kopf and of the Kubernetes client: the admission server, watches and objects of the cluster."""
