"""The first code that runs in a peer: says which interpreter this is, and loads the agent.

Very old interpreters understand its syntax, until it has written that line. The peer compiles it,
so most of the loading is in `loader`, which may come compiled.
Its names `f` and `w` are the buffered reader of the link and the descriptor to reply on.
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
    "no_site": sys.flags.no_site,
    "magic": b"",
    "library": getattr(os, "__file__", ""),
    "place": None,
}
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
