"""The versions that EKS offers: Kubernetes, add-ons and their builds."""
