"""``python -m pytest_peer COMMAND``."""

import sys


def main() -> int:
    """Run a command, and return its exit status."""
    command, *arguments = sys.argv[1:] or [""]
    if command == "attach":
        from .debugger import client

        return client.main(arguments)
    print("usage: python -m pytest_peer attach [NAME]", file=sys.stderr)
    return 2


sys.exit(main())
