"""What an editor does: a client of the Debug Adapter Protocol, as small as the tests need."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys


class Debugger:
    """One session with an adapter; VS Code has one for each process."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.numbers = itertools.count(1)
        self.waiting = []  # messages that nobody has asked for yet
        self.send("initialize", adapterID="test", pathFormat="path")
        self.answer("initialize")

    @classmethod
    def connect(cls, host, port):
        with socket.create_connection((host, port), timeout=60) as connection:
            stream = connection.makefile("rwb")  # which keeps it open
        return cls(stream, stream)

    def close(self):
        self.writer.close()

    def send(self, command, **arguments):
        message = {
            "seq": next(self.numbers),
            "type": "request",
            "command": command,
            "arguments": arguments,
        }
        text = json.dumps(message).encode()
        self.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        self.writer.flush()

    def receive(self):
        length = 0
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b": ")
            if name == b"Content-Length":
                length = int(value)
        assert length, "the adapter has ended"
        return json.loads(self.reader.read(length))

    def take(self, kind, name):
        """Wait for a message of a kind and name, and return it."""
        for message in self.waiting:
            if message.get(kind) == name:
                self.waiting.remove(message)
                return message
        while (message := self.receive()).get(kind) != name:
            self.waiting.append(message)
        return message

    def answer(self, command):
        message = self.take("command", command)
        assert message["success"], message
        return message.get("body")

    def event(self, name):
        return self.take("event", name).get("body")

    def begin(self, how, breakpoints, **arguments):
        """Launch or attach, with breakpoints: for each file its lines."""
        self.send(how, **arguments)
        self.event("initialized")
        for file, lines in breakpoints.items():
            points = [{"line": line} for line in lines]
            self.send("setBreakpoints", source={"path": str(file)}, breakpoints=points)
            self.answer("setBreakpoints")
        self.send("configurationDone")
        self.answer(how)

    def stopped(self):
        """Wait until a thread has stopped; return its id, and the function and line.

        If the process ends before, return None.
        """
        while (message := self.receive()).get("event") != "stopped":
            if message.get("event") == "terminated":
                return None
        thread = message["body"]["threadId"]
        self.send("stackTrace", threadId=thread)
        frame = self.answer("stackTrace")["stackFrames"][0]
        return thread, (frame["name"], frame["line"])

    def go_on(self, thread):
        self.send("continue", threadId=thread)
        self.answer("continue")


def start_adapter():
    """Start what VS Code starts for "Debug test"."""
    return subprocess.Popen(
        [sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
