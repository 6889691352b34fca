"""The terminal of this process, for the main thread, which reads from it in a signal handler."""

import contextlib
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ..core.worker import start_thread
from .console import Hangup, Interrupted

#: readline does not see a signal that comes just before it waits, until the next one.
_NUDGE_SECONDS = 0.2
#: The signal whose handler calls `look`.
LOOK: signal.Signals = signal.SIGURG
#: What readline puts into a line for Ctrl-C, shows as bash does, and how it is told to.
_INTERRUPT = "\x03"
_BINDING = r'"\C-c": "\C-v\C-c\C-m"'
#: These end the process by default: the terminal is put back before they do.
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Over(BaseException):
    """The prompt has ended by itself."""


class LocalTerminal:
    """A `console.Terminal`; a context manager that leaves the terminal as it was."""

    def __init__(self) -> None:
        self._over: Callable[[], bool] | None = None  # while it reads
        self._interrupts = 0
        self._undo = contextlib.ExitStack()
        self._closed = threading.Event()
        self._reads_keys = False  # Ctrl-C among them

    def __enter__(self) -> "LocalTerminal":
        with contextlib.ExitStack() as undo:
            undo.enter_context(_kept_state())
            undo.enter_context(_handled(signal.SIGINT, self._interrupted))
            self._reads_keys = undo.enter_context(_line_editing(self))
            start_thread(self._nudge, "pytest-peer-terminal")
            undo.callback(self._closed.set)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    #: Of the line that is read.
    complete: Callable[[str, str, int, int], list[str]]

    def write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except RuntimeError:  # the handler has interrupted a write
            os.write(1, text.encode(errors="backslashreplace"))

    def read(
        self,
        prompt: str,
        complete: Callable[[str, str, int, int], list[str]],
        over: Callable[[], bool],
    ) -> str | None:
        self.complete = complete
        if sys.stdin is None:  # closed, with ``--pdb``
            return None
        try:
            try:
                self._over = over
                line = None if over() else self._typed(prompt)
            finally:
                self._over = None
            if line is not None and _INTERRUPT in line:
                raise Interrupted
            return line
        except KeyboardInterrupt:
            self.write("\n")
            raise Interrupted from None
        except SystemError:  # two signals at once: Python calls the second handler in spite
            if over():
                return None
            raise Interrupted from None
        except EOFError:
            self.write("\n")
            return None
        except _Over:
            return None
        except (OSError, ValueError) as exc:
            raise Hangup from exc

    def _typed(self, prompt: str) -> str:
        with self._interrupt_as_key():
            line = input(prompt)
        if _INTERRUPT in line:
            import readline

            if (number := readline.get_current_history_length()) > 0:
                readline.remove_history_item(number - 1)
        return line

    @contextlib.contextmanager
    def _interrupt_as_key(self) -> Iterator[None]:
        """Have readline read Ctrl-C as a key, if it edits the line.

        As a signal it empties the queue of the terminal. If readline has just seen that there is
        something in it, it waits for that, and heeds no signal meanwhile.
        """
        settings = _settings() if self._reads_keys else None
        if settings is None:
            yield
            return
        with_key = [*settings[:6], [*settings[6]]]
        with_key[6][termios.VINTR] = os.fpathconf(0, "PC_VDISABLE")
        try:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, with_key)
            yield
        finally:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, settings)

    def look(self) -> None:
        """Look again whether what is read is over; in a handler that interrupts `read`."""
        if self._over is not None and self._over():
            self._over = None
            raise _Over

    def _nudge(self) -> None:
        """Have the main thread see its signals, while it reads."""
        main = threading.main_thread().ident
        assert main is not None
        while not self._closed.wait(_NUDGE_SECONDS):
            if self._over is not None:
                signal.pthread_kill(main, LOOK)

    def interrupts(self) -> int:
        found, self._interrupts = self._interrupts, 0
        return found

    def _interrupted(self, _: int, __: FrameType | None) -> None:
        if self._over is None:
            self._interrupts += 1
        else:
            self._over = None
            raise KeyboardInterrupt


@contextlib.contextmanager
def _handled(number: int, handler: Any) -> Iterator[None]:
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        # ``None`` is a handler that is not Python's.
        signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _settings() -> Any:
    """Return the settings of the terminal that is read, or ``None`` if none is."""
    try:
        return termios.tcgetattr(0) if sys.stdin.fileno() == 0 and sys.stdout.isatty() else None
    except (AttributeError, OSError, ValueError, termios.error):
        return None


@contextlib.contextmanager
def _kept_state() -> Iterator[None]:
    """Put the terminal's settings back at the end, also if a signal ends this process."""
    settings = _settings()
    if settings is None:  # a pipe, with ``--pdb``
        yield
        return

    def restore() -> None:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(0, termios.TCSADRAIN, settings)

    def die(number: int, _: FrameType | None) -> None:
        restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    with contextlib.ExitStack() as undo:
        undo.callback(restore)
        for number in _DEADLY:
            if signal.getsignal(number) == signal.SIG_DFL:
                undo.enter_context(_handled(number, die))
        yield


@contextlib.contextmanager
def _line_editing(terminal: LocalTerminal) -> Iterator[bool]:
    """Complete words at the key TAB, if Python has readline; give whether it reads Ctrl-C."""
    try:
        import readline
    except ImportError:
        yield False
        return
    found: list[str] = []

    def completer(text: str, number: int) -> str | None:
        if number == 0:
            begin, end = readline.get_begidx(), readline.get_endidx()
            found[:] = terminal.complete(text, readline.get_line_buffer(), begin, end)
        return found[number] if number < len(found) else None

    completers, delimiters = readline.get_completer(), readline.get_completer_delims()
    readline.set_completer(completer)
    readline.set_completer_delims(" \t\n`@#$%^&*()=+[{]}\\|;:'\",<>?")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    if not libedit:
        readline.parse_and_bind(_BINDING)
    try:
        yield not libedit
    finally:
        readline.set_completer(completers)
        readline.set_completer_delims(delimiters)
