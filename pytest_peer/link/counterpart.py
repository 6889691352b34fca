"""The peer as the other side of a conversation: what it has to be told before anything else, and the answers to what it asks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from ..core.errors import EncodeError
from .interpreter import Interpreter
from .origin_modules import ModuleUpdates
from .pickling import decode
from .pickling import encode
from .protocol import messages
from .protocol.segments import Payload
from .protocol.sender import MessageSender
from .requests import answer

__tracebackhide__ = True

_Found = TypeVar("_Found")


class RequestHandler:
    """One life of a peer whose agent listens.

    :param interpreter: the peer's.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._news = ModuleUpdates(interpreter.path if interpreter.same else None)
        self._lock = threading.RLock()

    def tell_news(self, sender: MessageSender) -> None:
        """Say which modules are new here; before anything that may refer to one.

        :raises EncodeError: it is not possible to look for them.
        :raises OSError: the link is closed.
        """
        if _looked(self._news.any):
            with self._lock:
                if news := _looked(self._news.take):
                    sender.post(messages.MODULES, 0, news)
                self._news.told()

    def answer(self, sender: MessageSender, ident: int, payload: Payload) -> None:
        """Answer a question, whatever happens here: nobody over there may wait for ever."""
        try:
            what, args = decode(payload, "what the peer asks")
            # As if code could go by value: there is none in it, and the source of a module may well speak of ``__main__``.
            told = encode(answer(self._interpreter, what, args), "", "the answer")
        except BaseException:  # a class that is not here, a hook of a conftest
            told = encode(None, "", "no answer")
        with contextlib.suppress(OSError):  # it is down meanwhile
            sender.post(messages.RESPONSE, ident, told)


def _looked(look: Callable[[], _Found]) -> _Found:
    try:
        return look()
    except OSError as exc:  # no more descriptors; the next one may look again
        raise EncodeError(f"cannot look for the modules that the peer needs: {exc}") from exc
