"""The embedded AWS: an account and real Kubernetes API servers on one machine."""
