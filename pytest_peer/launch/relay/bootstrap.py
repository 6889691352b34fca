"""The code that the local end of a relay sends to the interpreter its launcher has started."""

from __future__ import annotations

import os

_PACKAGE = "pytest_peer_launch"
#: In the order in which they are loaded; below this package's `launch`.
_MODULES = ("procfs", "relay.frames", "relay.remote_child", "relay.remote")
#: Interpreters that are too old can run the beginning.
_LOADER = """\
import os, sys
if sys.version_info < (3, 8):
    sys.stderr.write("Python %d.%d.%d (%s) is too old: a peer needs 3.8 or newer\\n"
                     % (sys.version_info[:3] + (sys.executable,)))
    sys.exit(1)
for name, path, source in MODULES:
    module = type(sys)(name)
    module.__file__ = path
    if path:
        module.__package__ = name.rpartition(".")[0]
    else:
        module.__package__ = name
        module.__path__ = []
    sys.modules[name] = module
    exec(compile(source, path, "exec"), module.__dict__)
reader, writer = module.begin(MAGIC[::-1], CWD, HEARTBEAT)
for name, _, _ in MODULES:
    del sys.modules[name]
link = {"f": reader, "w": writer}
del reader, module
exec(link["f"].read(int(link["f"].readline())), link)
"""


def remote_end(cwd: str, *, heartbeat: bool) -> tuple[bytes, bytes]:
    """Return the first output of the remote end, and the code for it: a size, a line end, source.

    :param cwd: where the peer starts; empty for where its launcher starts it.
    :param heartbeat: whether the local end says regularly that it is there.
    """
    word = os.urandom(12).hex()
    modules = [(_PACKAGE, "", ""), (f"{_PACKAGE}.relay", "", "")]
    for name in _MODULES:
        parts = f"{name.replace('.', os.sep)}.py"
        path = os.path.join(os.path.dirname(os.path.dirname(__file__)), parts)
        with open(path, encoding="utf-8") as file:
            modules.append((f"{_PACKAGE}.{name}", path, file.read()))
    magic = f"pytest-peer {word}\n".encode()
    # The code has it backwards, so that a launcher which shows its input does not write it.
    values = f"MAGIC={magic[::-1]!r}\nCWD={cwd!r}\nHEARTBEAT={heartbeat}\n"
    # As `repr` would write it, what is not ASCII becomes escapes: the size does not depend on
    # an encoding.
    code = (f"MODULES={modules!r}\n{values}{_LOADER}").encode("ascii", "backslashreplace")
    return magic, b"%d\n" % len(code) + code
