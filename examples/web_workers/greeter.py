"""The code under test: one application for gunicorn and one for uvicorn, and how each is served."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal

from gunicorn.app.base import BaseApplication

from pytest_peer import here

log = logging.getLogger("greeter")


def wsgi(environ, start_response):
    """Say which process answers; `/echo` waits for a body, `/crash` ends the process."""
    if environ["PATH_INFO"] == "/crash":
        signal.raise_signal(signal.SIGSEGV)
    text = str(os.getpid())
    if environ["PATH_INFO"] == "/echo":
        print("reads the body", flush=True)
        text = environ["wsgi.input"].read().decode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode()]


async def asgi(scope, receive, send):
    """Do the same for uvicorn, and log the beginning and the end of a process."""
    if scope["type"] == "lifespan":
        faulthandler.enable()
        for step in ("startup", "shutdown"):
            await receive()
            log.warning("%s of %d", step, os.getpid())
            await send({"type": f"lifespan.{step}.complete"})
        return
    if scope["path"] == "/crash":
        signal.raise_signal(signal.SIGSEGV)
    text = str(os.getpid())
    if scope["path"] == "/echo":
        print("reads the body", flush=True)
        message = await receive()
        text = message["body"].decode()
        while message["more_body"]:
            message = await receive()
            text += message["body"].decode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


class Gunicorn(BaseApplication):
    """What `gunicorn --bind 127.0.0.1:0 --workers 2 greeter:wsgi` runs."""

    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("workers", 2)
        self.cfg.set("post_worker_init", tell_ready)
        self.cfg.set("child_exit", tell_death)
        self.cfg.set("control_socket_disable", True)

    def load(self):
        return wsgi


def tell_ready(worker):
    faulthandler.enable()  # a crash shows its stack on stderr
    print("worker ready", flush=True)


def tell_death(arbiter, worker):
    here.origin.send("dead", worker.pid)  # from the peer itself: it is the arbiter


def serve():
    Gunicorn().run()
