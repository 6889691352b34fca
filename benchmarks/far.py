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


def sibling_trips(name, count):
    """Return the seconds of each of so many calls of another peer."""
    import operator
    import time

    from pytest_peer import here

    clock, peer, times = time.perf_counter, here.peer(name), []
    for _ in range(count):
        began = clock()
        peer.call(operator.add, 1, 2)
        times.append(clock() - began)
    return times
