"""Takes the agent's modules from the link and starts it. Continues `boot`, with the same names."""

import marshal
import sys

modules, entry = marshal.loads(f.read(int(f.readline())))  # noqa: F821
config = marshal.loads(f.read(int(f.readline())))  # noqa: F821


def make_package(name):
    if name and name not in sys.modules:
        make_package(name.rpartition(".")[0])
        package = sys.modules[name] = type(sys)(name)
        package.__package__ = name
        package.__path__ = []


for name, filename, code in modules:
    module = type(sys)(name)
    module.__file__ = filename
    del module.__spec__, module.__loader__  # Python 3.15 warns of a spec that is None
    module.__package__ = name.rpartition(".")[0]
    make_package(module.__package__)
    sys.modules[name] = module
    if isinstance(code, str):
        code = compile(code, filename, "exec")
    exec(code, module.__dict__)
module, _, function = entry.partition(":")
getattr(sys.modules["pytest_peer_agent." + module], function)(f, w, config)  # noqa: F821
