"""`Peer.debug()`: asks a running peer to stop in the debugger, and waits until that is left."""

import itertools
from collections.abc import Callable

from ..link.calls import RpcClient
from .stops import Stop, asked, changed

#: Seconds for a running call to stop: half a second, unless C code keeps the GIL.
_STOP_SECONDS = 5.0
_numbers = itertools.count(1)


def stop_running(client: RpcClient, down: Callable[[], bool]) -> bool:
    """Stop the call on the main thread of a peer; return when it goes on, ``False`` if it is `down`.

    :raises TimeoutError: it cannot be stopped.
    """
    number = next(_numbers)
    asked[number] = None
    client.at_end.append(changed.wake)
    try:
        client.agent.debug("stop", number)
        if not changed.wait_for(lambda: asked[number] is not None or down(), _STOP_SECONDS):
            raise TimeoutError(
                f"the peer has not stopped within {_STOP_SECONDS:g} s: C code keeps its main thread"
            )
    finally:
        client.at_end.remove(changed.wake)
        stop = asked.pop(number)
    if isinstance(stop, Stop):
        changed.wait_for(lambda: not stop.open, None)
    elif stop is not None:
        raise TimeoutError(stop)
    return not down()
