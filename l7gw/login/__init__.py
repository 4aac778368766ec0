"""`l7gw login`: tokens of an OIDC issuer for people who have no other source of them, as kubectl's exec credential plugin.

Guarantees: no token, code or verifier stands in a message, an argument or a file that others can read; a rotated refresh token is
on the disk before anything else is done; of many processes one asks the issuer. May import identity, config and the ground. `quick`
and what it imports load nothing but a few modules of Python's own. Words and options are `cli/login.py`'s.
"""
