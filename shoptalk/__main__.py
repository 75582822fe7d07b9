"""`python -m shoptalk` and the console script: Ctrl-C is heard before anything else is loaded."""

import os
import signal
import sys


def hear_ctrl_c() -> None:
    """Until `cli.main` has its own way to end there is nothing to close: end at once."""
    signal.signal(signal.SIGINT, lambda _signal, _frame: os._exit(130))


def main() -> None:
    """The console script."""
    hear_ctrl_c()
    from shoptalk import cli

    sys.unraisablehook = cli.interrupt_again
    cli.main()


if __name__ == "__main__":
    main()
