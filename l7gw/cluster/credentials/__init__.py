"""The credentials that the gateway shows to clusters: client certificates, tokens in files, and tokens of AWS roles.

Guarantees: one person's credential is never another's; a credential is renewed before its end and used until then; the side that
parses traffic asks by messages that hold no key of AWS. May import what `cluster` may, and `aws`.
"""
