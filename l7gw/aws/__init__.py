"""What AWS names and says: ARNs, the hosts of its token service, and (where a configuration names AWS) boto3's clients.

Guarantees: a text of AWS's is read strictly or refused; no byte of a credential in an error or a log. boto3 is imported within
functions only, so that a gateway without AWS never pays for it. May import the shared ground. Knows no cluster and no caller.
"""
