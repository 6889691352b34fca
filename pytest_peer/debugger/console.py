"""What a user types at the prompts of peers: lines for pdb there, and commands of our own."""

from collections.abc import Callable, Sequence
from typing import Protocol

from .stops import Stop, at_prompt, changed, stops

#: Seconds for which a prompt waits for code that steps on, before it leaves the terminal to others.
_STEP_SECONDS = 1.0
_COMMANDS = ("peers", "peer", "cast")
#: Between two looks whether Ctrl-C has come.
_LOOK_SECONDS = 0.1


class Interrupted(Exception):
    """Ctrl-C at a prompt."""


class Hangup(Exception):
    """The terminal is gone."""


class Terminal(Protocol):
    """Where the user is."""

    def write(self, text: str) -> None:
        """Show a text."""

    def read(
        self,
        prompt: str,
        complete: Callable[[str, str, int, int], list[str]],
        over: Callable[[], bool],
    ) -> str | None:
        """Return a line without its end; ``None`` for the end of file, or when it is `over`.

        :raises Interrupted: Ctrl-C.
        :raises Hangup: nobody is there any more.
        """

    def interrupts(self) -> int:
        """Return how often Ctrl-C has come while nothing was read, since the last call."""


class Console:
    """Serves the stops at one terminal, in the order in which they have come."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._current: Stop | None = None
        self._shown: Stop | None = None
        #: Whether the user wants to end the run.
        self.quits: bool = False
        #: Whether the user has pressed Ctrl-C twice while code of a peer ran.
        self.interrupted: bool = False

    def run(self, first: Stop | None = None) -> None:
        """Serve `first` and then all others, until none has a prompt or the user wants no more.

        Of those that are post mortem the user may choose; no other comes by itself.
        """
        self._current = first
        try:
            self._serve()
        except Hangup:
            self.interrupted = True

    def _serve(self) -> None:
        while not (self.quits or self.interrupted):
            if self._current is not None and not self._current.open:
                self.quits = self._current.quit
                if self._current.gone:
                    self._terminal.write(f"peer {self._current.name} has ended\n")
                self._current = None
                continue
            stop = self._next()
            if stop is None:
                return
            self._current = stop
            if not self._wait(stop):
                if stop.open and not self._passes_on(stop):
                    return
                continue
            self._show(stop)
            self._command(stop)

    def _next(self) -> Stop | None:
        if self._current is not None:
            return self._current
        return next((each for each in at_prompt() if not each.kept), None)

    def _passes_on(self, stop: Stop) -> bool:
        """Go to another stop while that one steps on; return whether there is one."""
        others = [each for each in at_prompt() if each is not stop]
        if stop.steps:
            self._terminal.write(f"{stop.name} runs on\n")
        self._current = others[0] if others else None
        return bool(others)

    def _wait(self, stop: Stop, each: Callable[[str], object] | None = None) -> bool:
        """Wait for its prompt, and show what it says meanwhile; return whether it has one."""
        show = each or self._terminal.write
        left, pressed = _STEP_SECONDS, 0
        while True:
            done = changed.wait_for(
                lambda: stop.prompt is not None or not stop.open, min(_LOOK_SECONDS, left)
            )
            if text := stop.take_text():
                if each is None:
                    self._head(stop)
                show(text)
            if done:
                return stop.prompt is not None
            for _ in range(self._terminal.interrupts()):
                pressed += 1
                if pressed > 1:
                    self.interrupted = True
                    return False
                stop.interrupt()
            left = left - _LOOK_SECONDS if stop.steps else _STEP_SECONDS
            if left <= 0:
                return False

    def _head(self, stop: Stop) -> None:
        if self._shown is not stop:
            self._shown = stop
            if stop.header:
                self._terminal.write(f"{stop.header}\n")

    def _show(self, stop: Stop) -> None:
        if self._shown is not stop:
            self._head(stop)
            self._terminal.write(f"{stop.name}: {stop.where}\n")

    def _command(self, stop: Stop) -> None:
        """Read a line and do what it says."""
        assert stop.prompt is not None
        try:
            line = self._terminal.read(
                stop.prompt, self._completed, lambda: stop.prompt is None or not stop.open
            )
        except Interrupted:
            return
        if not stop.open:
            self._terminal.write("\n")
            return
        if stop.prompt is None:
            return
        if line is None:
            stop.answer("")
            return
        words = line.split() if stop.prompt.lstrip("(").startswith("Pdb") else []
        if words == ["peers"]:
            self._peers()
        elif len(words) == 2 and words[0] == "peer" and words[1].strip("'\"").isprintable():
            self._switch(words[1])
        elif len(words) > 2 and words[0] == "cast":
            self._cast(words[1], line.split(None, 2)[2])
        else:
            stop.answer(f"{line}\n")

    def _completed(self, text: str, line: str, begin: int, end: int) -> list[str]:
        words = line[:begin].split()
        if words and words[0] in ("peer", "cast") and len(words) == 1:
            return [each.name for each in list(stops) if each.name.startswith(text)]
        stop = self._current
        found = stop.complete(text, line, begin, end) if stop is not None else []
        return [*found, *(each for each in _COMMANDS if not words and each.startswith(text))]

    def _peers(self) -> None:
        for each in list(stops):
            self._terminal.write(f"{each.name}: {each.where if each.prompt else 'runs'}\n")

    def _switch(self, name: str) -> None:
        found = next((each for each in at_prompt() if each.name == name), None)
        if found is None:
            self._terminal.write(f"*** no peer {name!r} is stopped\n")
            return
        self._current = found

    def _cast(self, names: str, command: str) -> None:
        targets = self._named(names)
        for each in targets:
            each.take_text()  # where it stands, if its prompt was never shown
            each.answer(f"{command}\n")
        for each in targets:
            said: list[str] = []
            self._wait(each, said.append)
            for line in "".join(said).splitlines():
                self._terminal.write(f"[{each.name}] {line}\n")
            self.quits = self.quits or each.quit

    def _named(self, names: str) -> Sequence[Stop]:
        every = at_prompt()
        if names == "*":
            return every
        wanted = names.split(",")
        for missing in set(wanted) - {each.name for each in every}:
            self._terminal.write(f"*** no peer {missing!r} is stopped\n")
        return [each for each in every if each.name in wanted]
