"""Takes the agent's modules from the link and starts it. Continues `boot`, with the same names."""

import marshal
import sys

modules, entry = marshal.loads(f.read(int(f.readline())))  # noqa: F821
config = marshal.loads(f.read(int(f.readline())))  # noqa: F821


def run(module, code):
    if isinstance(code, bytes):
        code = marshal.loads(code)
    elif isinstance(code, str):
        code = compile(code, module.__file__, "exec")
    exec(code, module.__dict__)


def run_when_used(module, code):
    def get(name):
        if name[:2] != "__":  # code that inspects all modules asks for such names
            run(module, code)  # perhaps in two threads at once: these modules have no state
            module.__dict__.pop("__getattr__", None)
            if name in module.__dict__:
                return module.__dict__[name]
        raise AttributeError(name)

    module.__getattr__ = get


def make_package(name):
    if name and name not in sys.modules:
        make_package(name.rpartition(".")[0])
        package = sys.modules[name] = type(sys)(name)
        package.__package__ = name
        package.__path__ = []


for name, filename, code, later in modules:
    module = type(sys)(name)
    module.__file__ = filename
    module.__package__ = name.rpartition(".")[0]
    make_package(module.__package__)
    sys.modules[name] = module
    (run_when_used if later else run)(module, code)
module, _, function = entry.partition(":")
getattr(sys.modules["pytest_peer_agent." + module], function)(f, w, config)  # noqa: F821
