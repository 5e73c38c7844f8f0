"""A cluster's Kubernetes control plane: etcd, the API server and the other components."""
