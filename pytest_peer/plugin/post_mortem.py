"""``--pdb``: enters the frame in which code in a peer has raised, where that was."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ..link import debugging as told

if TYPE_CHECKING:
    from ..debugger.stops import Stop
    from .debugging import Debugging

#: Seconds for peers to have their prompts; milliseconds mostly.
_SECONDS = 5.0
_NUMBER = -1  # what is asked has no session


def take_over(config: pytest.Config, debugging: "Debugging") -> None:
    """Be asked before pytest's own debugger is, which enters the frames that are here."""
    plugins = config.pluginmanager
    own = plugins.getplugin("pdbinvoke")
    if own is not None:
        plugins.unregister(own)
        plugins.register(PostMortem(own, debugging), "peer-pdbinvoke")
        told.keeps_frames = True
        config.add_cleanup(told.kept.clear)
        config.add_cleanup(_keep_no_more)


def _keep_no_more() -> None:
    told.keeps_frames = False


class PostMortem:
    """In the place of pytest's plugin for ``--pdb``, `own`."""

    def __init__(self, own: Any, debugging: "Debugging") -> None:
        self._own = own
        self._debugging = debugging

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._own.pytest_internalerror(excinfo=excinfo)

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[Any],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        assert call.excinfo is not None
        stops = self._entered([*_places(call.excinfo.value)])
        if not stops:
            self._own.pytest_exception_interact(node=node, call=call, report=report)
            return
        self._debugging.post_mortem(stops, report)

    def pytest_runtest_logfinish(self) -> None:
        """Let the frames go: the report is made."""
        from ..peers.supervisor import living

        names = {each.peer for each in told.kept}
        told.kept.clear()
        for life in living():
            if life.options.name in names:
                life.client.agent.debug("forget", _NUMBER)

    def _entered(self, places: list[tuple[str, int]]) -> "list[Stop]":
        """Have debuggers enter these frames; return their stops, in order."""
        if not places:
            return []
        from ..debugger import stops
        from ..peers.supervisor import living

        lives = {life.options.name: life for life in living()}
        wanted = [each for each in dict.fromkeys(places) if each[0] in lives]
        found: list[Stop] = []

        def all_there() -> bool:
            here = {stop.kept: stop for stop in stops.at_prompt()}
            found[:] = [here[number] for _, number in wanted if number in here]
            gone = sum(stops.asked[number] is not None for _, number in wanted)
            return len(found) + gone >= len(wanted)

        stops.asked.update((number, None) for _, number in wanted)
        try:
            for name, number in wanted:
                lives[name].client.agent.debug("post mortem", number)
            stops.changed.wait_for(all_there, _SECONDS)
        finally:
            for _, number in wanted:
                del stops.asked[number]
        return found


def _places(exc: BaseException) -> Iterator[tuple[str, int]]:
    """Yield peers, and the numbers of frames there, for an exception or those of a group."""
    found = told.frames_of(exc)
    yield from ((each.peer, each.number) for each in found)
    if not found and isinstance(exc, BaseExceptionGroup):
        for member in exc.exceptions:
            yield from _places(member)
