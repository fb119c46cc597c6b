"""`python -m regrow`: the same as the command `regrow`."""

from regrow.cli import main

main()
