"""The embedded demo: a cluster in memory, its identity provider, and a guided tour. Needs the extra `l7gw[demo]`.

Served by h11, h2 and wsproto, never by our own codecs, so that no test talks only to itself. Imports nothing of l7gw but the
shared ground.
"""
