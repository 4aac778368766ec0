"""Users' hooks (`l7gw/hooks.py`) in the gateway: loaded from files, called, timed.

Guarantees: a hook that fails lets nothing pass; a hook gets copies alone, and no credential. May import `hooks`, `kube`, identity's
`Principal`, `masking` and the shared ground. Where hooks are called is left to `gateway`.
"""
