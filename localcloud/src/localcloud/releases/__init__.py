"""What EKS offers: versions of Kubernetes, add-ons and their builds."""
