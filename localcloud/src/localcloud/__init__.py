"""The local cloud: an emulated AWS account with real Kubernetes API servers on one machine."""
