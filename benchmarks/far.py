"""What runs at the far end. Imports nothing: it is imported there."""

_made = {}


def payload(size):
    """Made only once: its making is not what is measured."""
    if size not in _made:
        _made[size] = b"x" * size
    return _made[size]


def print_lines(count):
    for number in range(count):
        print("line %015d" % number)
