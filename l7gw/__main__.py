"""`python -m l7gw` is `l7gw`."""

from l7gw.cli.main import main

main()
