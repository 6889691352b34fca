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
    word = waiting.words.get(ident)
    if word is not None:
        return word
    wait = threads.wait_of(os.getpid(), number, sight.syscall) if sight.asleep else None
    return wait.on if wait is not None else ""


def native_ids():
    """Return the kernel's numbers of threads by their identifiers, as far as they are known."""
    every = threading.enumerate()
    numbers = {each.ident: each.native_id for each in every if getattr(each, "native_id", None)}
    numbers[threading.main_thread().ident] = os.getpid()
    return numbers
