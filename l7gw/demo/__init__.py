"""The embedded demo: a cluster in memory, its identity provider, and a guided tour. Needs the extra `l7gw[demo]`.

The demo's servers use h11, h2 and wsproto, never our own codecs: a test against them compares two implementations. Imports nothing
of l7gw but the shared ground.
"""
