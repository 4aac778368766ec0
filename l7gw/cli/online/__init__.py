"""What `l7gw check --online` looks at: one module for each kind of thing, none of which knows how it is shown.

Guarantees: nothing is changed anywhere, no message is sent, each question is bounded in time, and one that hangs holds up no other.
May import whatever `cli` may. Leaves to `cli/check_online.py`: which jobs there are, what is printed, and the exit status.
"""
