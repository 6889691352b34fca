"""The functions that run in the other process, which has to import this module."""

_made = {}


def payload(size):
    """Return so many bytes, made only once: making them is not measured."""
    if size not in _made:
        _made[size] = b"x" * size
    return _made[size]


def print_lines(count):
    for number in range(count):
        print("line %015d" % number)
