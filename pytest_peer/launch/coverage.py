"""What the origin measures with the library `coverage`, so that its peers measure the same.

Only what is in ``sys.modules`` is looked at: without a measurement this costs a look there. Where
the origin writes a data file with a suffix, as pytest-cov does, so do the peers, and who combines
its files combines theirs. Where it writes one file, theirs are in a directory of ours until the
process exits, and are combined into that file then. Where it saves nothing, as after an interrupt
of pytest-cov, nothing of theirs stays.
"""

import atexit
import contextlib
import functools
import glob
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from ..core.worker import run_all
from ..link.protocol.module_aliases import place_of

#: The library, for the fork server to import.
LIBRARY = "coverage"
#: Variables by which a new interpreter measures itself. Peers get them when they have begun: else
#: a fork server would measure itself, and two measurements of a peer would disturb each other.
_VARIABLES = ("COVERAGE_PROCESS_", "COV_CORE_")
#: Options are of these types; others could not be sent.
_TYPES = (bool, int, float, str, list, dict, type(None))
#: The bytes in front of a snapshot, which are its size.
_HEAD = 8
#: The bits of a number of a line.
_LINE = (1 << 28) - 1

#: Called when the origin has switched the context of what it measures.
switched: list[Callable[[], object]] = []
#: All measurements that peers have joined, or a fork server was started for.
_joined: list[Any] = []
#: Those of them that were saved, so that somebody wants their data.
_saved: list[Any] = []
#: Where the data of peers are that shall be in one file, by that file, and which process made it.
_apart: dict[str, tuple[str, int, Any]] = {}
#: The names of what peers have written beside the origin's data, and of which process they were.
_beside: dict[str, int] = {}
#: Whether this process exits, and has stopped its peers.
_exits = False


def current() -> Any:
    """Return the `coverage.Coverage` that measures this process now; ``None`` without one."""
    library: Any = getattr(sys.modules.get(LIBRARY), "Coverage", None)
    measurement = library.current() if hasattr(library, "current") else None
    # Without a file there is nothing into which data of others could go.
    if getattr(measurement, "_data", None) is None or getattr(measurement, "_no_disk", False):
        return None
    if not any(measurement is each for each in _joined):
        _joined.append(measurement)
        _watch(measurement)
    return measurement


def _watch(measurement: Any) -> None:
    """Call `switched` after each switch of the context; pytest-cov makes one in each phase.

    Also notice that it is saved. It does that by itself where it was started by a variable, as its
    exit handler, which is called after ours: so we are called again.
    """
    switch, save = measurement.switch_context, measurement.save

    @functools.wraps(switch)
    def switch_context(*args: Any, **kwargs: Any) -> Any:
        previous = switch(*args, **kwargs)
        run_all(*switched)
        return previous

    @functools.wraps(save)
    def save_all(*args: Any, **kwargs: Any) -> None:
        save(*args, **kwargs)
        _saved.append(measurement)
        if _exits:
            _settle(measurement)

    measurement.switch_context, measurement.save = switch_context, save_all


def context() -> str:
    """Return the dynamic context of what is measured now, such as the name of a test, or ``""``."""
    measurement = current()
    if measurement is None:
        return ""
    found = getattr(measurement._data, "_current_context", None) or ""
    static = measurement.config.context
    return found[len(static) + 1 :] if static else found


def without_variables(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return an environment in which a new interpreter does not measure itself, if peers will."""
    current()
    if not _joined:
        return environ
    return {k: v for k, v in environ.items() if not k.startswith(_VARIABLES)}


def config() -> dict[str, Any] | None:
    """Return what the agent's module `coverage` needs to measure; ``None`` if nothing does."""
    measurement = current()
    if measurement is None:
        return None
    options: dict[str, Any] = {
        name: value
        for name, value in vars(measurement.config).items()
        if not name.startswith("_") and isinstance(value, _TYPES)
    }
    options |= {"data_file": _data_file(measurement), "parallel": True, "fail_under": 0.0}
    # Where this process was when it began to measure: a test may have gone elsewhere.
    directory = sys.modules["coverage.files"].relative_directory()
    for name in ("source", "source_dirs"):
        if options.get(name):
            # Children of a peer may begin elsewhere. What is no directory is a package.
            paths = [(each, os.path.join(directory, each)) for each in options[name]]
            options[name] = [path if os.path.isdir(path) else each for each, path in paths]
    variables = {k: v for k, v in os.environ.items() if k.startswith(_VARIABLES)}
    if "multiprocessing" in measurement.config.concurrency:
        # What that starts reads the configuration anew, in the peer's directory.
        variables["COVERAGE_FILE"] = _data_file(measurement)
    return {
        "options": options,
        "directory": directory,
        "place": place_of(directory),
        "variables": variables,
    }


def _data_file(measurement: Any) -> str:
    file: str = measurement._data.base_filename()
    if measurement.config.parallel:
        return file
    if file not in _apart:
        directory = tempfile.mkdtemp(prefix="pytest-peer-coverage-")
        _apart[file] = directory, os.getpid(), measurement.config.config_file or False
    return os.path.join(_apart[file][0], os.path.basename(file))


def add(found: bytes) -> None:
    """Write a data file with what the agent's module `coverage` had measured before a kill."""
    size = int.from_bytes(found[:_HEAD], "little")
    if not size:  # it was not ready in time
        return
    measured, tracers, context, branch, packed, file = pickle.loads(found[_HEAD:])
    ran = {name: numbers for name, numbers in measured.items() if numbers}
    data = sys.modules[LIBRARY].CoverageData(basename=file, suffix=True)
    data.set_context(context)
    if branch:
        data.add_arcs({name: map(_arc, arcs) if packed else arcs for name, arcs in ran.items()})
    else:
        data.add_lines(ran)
    data.add_file_tracers({name: tracer for name, tracer in tracers.items() if name in ran})
    data.write()
    data.close(force=True)
    _beside[glob.escape(data.data_filename())] = os.getpid()


def tidy(pid: int) -> None:
    """Remove the data file of a peer that has ended in the middle of a write to it."""
    for file in [_data_file(each) for each in _joined if each._data is not None]:
        pattern = f"{glob.escape(file)}.*.pid{pid}.X*"
        _beside[pattern] = os.getpid()
        for path in glob.glob(pattern):
            if not _whole(path):
                os.unlink(path)


def _whole(path: str) -> bool:
    """Return whether a data file is one; who combines it would fail at what is not."""
    sqlite3: Any = sys.modules["sqlite3"]  # coverage has imported it
    data = sys.modules[LIBRARY].CoverageData(basename=path)
    try:
        data.read()
        # Coverage writes without a journal, so any page may be an old one.
        with contextlib.closing(sqlite3.connect(path)) as database:
            return bool(database.execute("PRAGMA quick_check").fetchone() == ("ok",))
    except (sqlite3.Error, sys.modules["coverage.exceptions"].CoverageException):
        return False
    finally:
        data.close(force=True)


def _arc(packed: int) -> tuple[int, int]:
    """Return two numbers of lines that the tracer in C has put into one."""
    first, second = packed & _LINE, packed >> 28 & _LINE
    return -first if packed >> 56 & 1 else first, -second if packed >> 57 & 1 else second


@atexit.register  # before the supervisor's, so it is called after that has stopped the peers
def _settle_all() -> None:
    global _exits
    _exits = True
    for measurement in _joined:
        if not measurement._auto_save:  # else it will be saved
            _settle(measurement)


def _settle(measurement: Any) -> None:
    """Put the data of peers into the one file of the origin, or remove what nobody wants."""
    data = measurement._data
    if data is None:  # the user has erased it
        for directory, pid, _ in _apart.values():
            if pid == os.getpid():
                shutil.rmtree(directory, ignore_errors=True)
        return
    file = data.base_filename()
    directory, pid, config_file = _apart.get(file, ("", 0, None))
    if pid == os.getpid():
        if getattr(data, "_have_used", True):  # it has written a file, perhaps without a save
            whole = sys.modules[LIBRARY].Coverage(data_file=file, config_file=config_file)
            whole.load()
            whole.combine([directory])
            whole.save()
        shutil.rmtree(directory, ignore_errors=True)
    elif not any(measurement is each for each in _saved):
        for pattern in [pattern for pattern, pid in _beside.items() if pid == os.getpid()]:
            for path in glob.glob(pattern):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
