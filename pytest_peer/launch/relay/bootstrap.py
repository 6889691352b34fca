"""What the near end of a relay sends, for the interpreter that its launcher has started."""

from __future__ import annotations

import os

#: In the order in which they are loaded.
_MODULES = ("frames", "descendants", "remote")
_PACKAGE = "pytest_peer_relay"
#: Plain enough for interpreters that are too old.
_LOADER = """\
import os, sys
if sys.version_info < (3, 8):
    sys.stderr.write("Python %d.%d.%d (%s) is too old: a peer needs 3.8 or newer\\n" % (sys.version_info[:3] + (sys.executable,)))
    sys.exit(1)
for name, path, source in MODULES:
    module = type(sys)(name)
    module.__file__ = path
    module.__package__ = PACKAGE
    if name == PACKAGE:
        module.__path__ = []
    sys.modules[name] = module
    exec(compile(source, path, "exec"), module.__dict__)
reader, writer = sys.modules[PACKAGE + ".remote"].begin(MAGIC[::-1], CWD, PULSE)
for name, _, _ in MODULES:
    del sys.modules[name]
link = {"f": reader, "w": writer}
del reader, module
exec(link["f"].read(int(link["f"].readline())), link)
"""


def remote_end(cwd: str, *, pulse: bool) -> tuple[bytes, bytes]:
    """What the far end says first, and what makes it say that: a line with a number, and so many bytes of code.

    :param cwd: where the peer starts; empty for where its launcher has it start.
    :param pulse: whether the near end says again and again that it is there.
    """
    # Read backwards over there: a launcher that shows what it is given does not say it.
    word = os.urandom(12).hex()
    modules = [(_PACKAGE, "", "")]
    for name in _MODULES:
        path = os.path.join(os.path.dirname(__file__), name + ".py")
        with open(path, encoding="utf-8") as file:
            modules.append((f"{_PACKAGE}.{name}", path, file.read()))
    magic = f"pytest-peer {word}\n".encode()
    given = f"MODULES={modules!r}\nPACKAGE={_PACKAGE!r}\nMAGIC={magic[::-1]!r}\nCWD={cwd!r}\nPULSE={pulse}\n"
    # Anything but ASCII is written as an escape in `repr`'s sense, so that its length is the same everywhere.
    code = (given + _LOADER).encode("ascii", "backslashreplace")
    return magic, b"%d\n" % len(code) + code
