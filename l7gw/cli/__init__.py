"""The command `l7gw`. Each family of commands has a file; `main.py` puts them together."""
