"""What people type: the command `l7gw`. One file a family of commands; `main.py` puts them together."""
