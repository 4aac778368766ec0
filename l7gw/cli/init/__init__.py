"""`l7gw init`: what a first gateway needs, written at once.

Guarantees: all files are written or none, none is overwritten, nothing is changed in the cluster. May import whatever `cli` may.
Leaves to `kubeconfig/` how kubeconfigs are read.
"""
