"""The API for who reviews: the holds as JSON, at the gateway's socket and, beside the clusters, at `/l7gw/v1/` (docs/api.md).

Guarantees: nobody is answered who has not proven who he is; nobody sees a hold that he can neither review nor asked for; what is
read and kept for others is bounded. May import `approval`, `identity`, `policy`'s patterns, `wire` and the shared ground. Leaves
to the Desk what a review does, and to the gateway's connections their bytes.
"""
