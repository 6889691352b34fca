"""The first code of ours that runs in a peer: says which interpreter this is, takes the agent from the link, starts it.

It is sent to whatever interpreter was started, so until it has said hello it is plain enough for very old ones. That one compiles
it, so the rest of the start is in `loading`, which may come compiled.
Given: `f`, the buffered reader of the link, and `w`, the descriptor to answer on.
"""

import marshal
import os
import sys

hello = {
    "version": tuple(sys.version_info[:3]),
    "implementation": getattr(getattr(sys, "implementation", None), "name", "python"),
    "pid": os.getpid(),
    "executable": sys.executable,
    "prefix": sys.prefix,
    "magic": b"",
    "library": getattr(os, "__file__", ""),
    "place": None,
}
if hello["library"]:
    try:
        place = os.stat(hello["library"])
        hello["place"] = (place.st_dev, place.st_ino)
    except OSError:
        pass
if sys.version_info >= (3, 8):
    import _frozen_importlib_external

    hello["magic"] = _frozen_importlib_external.MAGIC_NUMBER
os.write(w, (repr(hello) + "\n").encode("ascii", "backslashreplace"))  # noqa: F821

line = f.readline()  # noqa: F821
if not line:
    os._exit(1)  # refused
exec(marshal.loads(f.read(int(line))))  # noqa: F821
