"""A cluster's Kubernetes control plane: etcd, the API server and what runs beside it."""
