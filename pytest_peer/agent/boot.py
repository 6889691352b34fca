"""The first code of ours that runs in a peer: says which interpreter this is, takes the agent from the link, starts it.

It is sent to whatever interpreter was started, so until it has said hello it is plain enough for very old ones.
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
payload = marshal.loads(f.read(int(line)))  # noqa: F821


# execnet wants `traceback` for the text of errors that we never let happen; it costs a sixth of the boot.
class LazyTraceback(type(sys)):
    def format_exception(self, *args):
        import traceback

        return traceback.format_exception(*args)


loaded = "traceback" in sys.modules
if not loaded:
    sys.modules["traceback"] = LazyTraceback("traceback")
for name, filename, is_package, code in payload["modules"]:
    module = type(sys)(name)
    module.__file__ = filename
    module.__package__ = name if is_package else name.rpartition(".")[0]
    if is_package:
        module.__path__ = []
    sys.modules[name] = module
    exec(
        marshal.loads(code) if payload["compiled"] else compile(code, filename, "exec"),
        module.__dict__,
    )
if not loaded:
    del sys.modules["traceback"]
module, _, function = payload["entry"].partition(":")
entry = getattr(sys.modules["pytest_peer_agent." + module], function)
entry(f, w, payload["config"])  # noqa: F821
