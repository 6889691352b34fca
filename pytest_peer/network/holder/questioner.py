"""How the process that holds a network asks its origin about packets, and gets the answers."""

from __future__ import annotations

import queue
import threading

from ... import here
from ..switch.questions import ANSWERS, QUESTIONS, Question
from ..switch.switch import Switch

#: The most questions of one message.
_BATCH = 1000


class Questioner:
    """Two threads, so that the switch waits for neither the link nor the origin."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
        switch.run(setattr, switch.questions, "ask", self._questions.put)
        threading.Thread(target=self._send, name="questions", daemon=True).start()
        threading.Thread(target=self._receive, name="answers", daemon=True).start()

    def _send(self) -> None:
        while True:
            batch = [self._questions.get()]
            while len(batch) < _BATCH and not self._questions.empty():
                batch.append(self._questions.get())
            here.origin.send(QUESTIONS, batch)

    def _receive(self) -> None:
        for answers in here.mailbox(ANSWERS):
            self._switch.post(self._switch.answered, answers)
