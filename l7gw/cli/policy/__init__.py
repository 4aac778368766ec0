"""`l7gw policy`: whether a policy is in order, what it says to a call, and what it would have said to past ones.

Guarantees: no cluster is asked, and each command takes the policy's file alike. May import whatever `cli` may. Leaves every verdict
to `l7gw.policy`.
"""
