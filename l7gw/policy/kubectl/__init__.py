"""What a kubectl command asks of the API server, from the words that somebody types: for tests of a policy and for its explanation.

Guarantees: a command that cannot be read whole is an error in words, never a guess. Pure, but for files of objects that a command
names. May import `kube` and what stands beside it in `policy`.
"""
