"""Look at this peer and all that it has started, for an origin on another machine."""

from ..core import sweep, threads, waiting
from ..link.protocol.unpatched import _thread, marshal, os


def looked(calls, timers):
    """Return, encoded, which threads ran, and of those that slept the turns.

    :param timers: whether a thread that goes on by itself counts as one that runs.
    """
    unreadable = threads.why_unreadable()
    if unreadable:
        return marshal.dumps((unreadable, [], []), 2)
    pid, root = os.getpid(), calls.root
    found = sweep.Sweep(lambda: [sweep.Root(root, root != pid)])
    try:
        moment = found.confirmed(found.look(lambda: None))
    finally:
        found.close()
    # These read the link, and answer.
    idle = [] if calls.reader.busy else [pid]
    agent = {(pid, each) for each in (*idle, calls.reader.number, _thread.get_native_id())}
    awake = set(moment.awake)
    if timers:
        ours = {(pid, each.number) for each in list(waiting.threads.values())}
        rest = moment.asleep.items()
        awake.update(each for each, ran in rest if each not in ours and threads.goes_on(*each, ran))
    asleep = [(*each, turns) for each, turns in moment.asleep.items() if each not in agent]
    return marshal.dumps(("", [tuple(each) for each in awake - agent], sorted(asleep)), 2)
