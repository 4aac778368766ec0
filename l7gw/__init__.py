"""l7gw: a Layer-7 gateway for Kubernetes."""
