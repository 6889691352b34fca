"""What threads of the peer wait for: in our own words, else in the kernel's."""

import sys

from ..core import threads, waiting
from ..link.protocol.unpatched import os, threading


def seconds():
    """Return for how long a thread has to stay where it is to wait there."""
    return min(2.5 * sys.getswitchinterval(), 0.1)


def seen(numbers):
    """Return what each of the threads does."""
    return {number: threads.seen(os.getpid(), number) for number in numbers}


def described(ident, number, sight):
    """Return what a thread waits for that has stayed there, as `Blocked.on`; else nothing."""
    own = waiting.threads.get(ident)
    if own is not None:
        return own.word
    wait = threads.wait_of(os.getpid(), number, sight.syscall) if sight.asleep else None
    return wait.on if wait is not None else ""


def of_task(task):
    """Return how a task waits in a way of ours, or one that it waits for; ``None`` otherwise."""
    known = set()
    while task is not None and id(task) not in known:
        if id(task) in waiting.tasks:
            return waiting.tasks[id(task)]
        known.add(id(task))
        task = getattr(task, "_fut_waiter", None)
    return None


def native_ids():
    """Return the kernel's numbers of threads by their identifiers, as far as they are known."""
    every = threading.enumerate()
    numbers = {each.ident: each.native_id for each in every if getattr(each, "native_id", None)}
    numbers[threading.main_thread().ident] = os.getpid()
    return numbers
