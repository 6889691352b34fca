"""Functions of the examples count the same lines and branches in peers as in the test's process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from paths import ROOT

FILES = {
    "server": ["chat.py"],
    "ide_debuggers": ["prices.py"],
    "mixed_versions": ["registry.py"],
    "task_queues": ["mails.py", "orders.py"],
    "django_shop": ["shop_settings.py", "shop/__init__.py", "shop/models.py"],
    "raft": ["kvstore.py"],
    "joblib_pools": ["squares.py"],
    "locks": ["test_locks.py"],
    "web_workers": ["greeter.py"],
}
LIBRARIES = [
    "celery",
    "django",
    "filelock",
    "gunicorn",
    "joblib",
    "pysyncobj",
    "rq",
    "semver",
    "websockets",
]

#: What takes most of the time: each peer would import it, and the fork server does once.
PRELOADED = "celery django.db.models gunicorn.app.base pysyncobj rq websockets.asyncio.server"
#: Seconds for a run. It has taken 50 on a machine with ten processes for each processor.
SECONDS = 120.0

#: Calls what does not end its process and needs no server of another program.
WORK = """
import asyncio
import io
import os
import socket
import time


def work(directory):
    asyncio.run(talk())
    price()
    register(directory / "registry")
    send(directory / "gate")
    sell(directory)
    replicate(directory)
    square()
    lock(directory / "counter")
    serve()
    asyncio.run(serve_async())


async def talk():
    import chat

    port = await chat.open_room()
    for leave in (chat.leave, lose):
        assert await chat.join(port, "ann") == "ann joined"
        await chat.say("hello")
        assert await chat.hear() == "ann: hello"
        await leave()
        while chat.present():
            await asyncio.sleep(0.01)


async def lose():
    import chat

    chat.connection.transport.abort()


def price():
    import prices

    assert prices.price(20) == 58


def register(path):
    import registry

    registry.create(path)
    registry.publish_text(path, "1.0.0")
    registry.publish_pickle(path, "1.0.1")
    assert registry.releases(path) == ["1.0.0", "1.0.1"]
    assert registry.library()


def send(gate):
    import mails
    import orders

    gate.write_text("letter")
    mails.connect("nowhere")
    assert mails.send("ann") == ("ann", os.getpid())
    assert mails.send_when_open(gate) == "letter"
    orders.use_folder(gate.parent)
    assert orders.pack(1) == (1, os.getpid())
    assert orders.ship(gate) == "letter"


def sell(directory):
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop_settings"
    import django
    from django.db import connection

    django.setup()
    from shop.models import Article

    connection.settings_dict["NAME"] = str(directory / "shop.sqlite3")
    with connection.schema_editor() as editor:
        editor.create_model(Article)
    Article.objects.create(name="tea", stock=1)
    assert [Article.buy("tea"), Article.buy("tea")] == [True, False]
    connection.close()


def replicate(directory):
    import kvstore

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % found.getsockname()[1]
    kvstore.start(address, [], directory)
    while kvstore.leader() != address:
        time.sleep(0.01)
    kvstore.put("colour", "blue")
    assert kvstore.get("colour") == "blue"
    kvstore.node.destroy()


def square():
    import numpy
    import squares

    found = squares.squares(4, backend="threading")
    assert [value for value, _ in found] == [0, 1, 4, 9]
    assert squares.total(numpy.ones(3)) == ("ndarray", 3.0)


def lock(counter):
    import test_locks

    counter.write_text("0")
    test_locks.increment(counter, 2)
    assert counter.read_text() == "2"


def serve():
    import greeter

    wsgi = greeter.Gunicorn().load()
    assert wsgi({"PATH_INFO": "/"}, print) == [str(os.getpid()).encode()]
    assert wsgi({"PATH_INFO": "/echo", "wsgi.input": io.BytesIO(b"hello")}, print) == [b"hello"]


async def serve_async():
    import greeter

    parts = [{"body": b"he", "more_body": True}, {"body": b"llo", "more_body": False}]

    async def receive():
        await asyncio.sleep(0)
        return parts.pop(0) if parts else {}

    async def say(message):
        said.append(message.get("body"))

    said = []
    await greeter.asgi({"type": "http", "path": "/echo"}, receive, say)
    assert said == [None, b"hello"]
    await greeter.asgi({"type": "http", "path": "/"}, receive, say)
    await greeter.asgi({"type": "lifespan"}, receive, say)
"""

#: Nothing but the tests imports the examples, so their first lines count in each.
IN_PROCESS = {
    "main thread": """
def test_in_process(tmp_path):
    import work
    work.work(tmp_path)
""",
    "other threads": """
import pytest_peer
from concurrent.futures import ThreadPoolExecutor

def test_in_process(tmp_path):
    import work
    with ThreadPoolExecutor() as threads:
        threads.submit(work.work, tmp_path).result()
""",
}
IN_PEERS = {
    "main thread": """
@pytest.mark.peer(start_method="forkserver")
def test_forked(peer, tmp_path):
    peer.call("work:work", tmp_path)

@pytest.mark.peer(start_method="spawn")
def test_spawned(peer, tmp_path):
    peer.call("work:work", tmp_path)

@pytest.mark.in_peer
def test_body(tmp_path):
    import work
    work.work(tmp_path)
""",
    "other threads": """
def test_beside_another_call(peer, tmp_path):
    peer.submit(time.sleep, 600)
    peer.call("work:work", tmp_path)

def test_killed(peer, tmp_path):
    peer.submit(time.sleep, 600)
    peer.call("work:work", tmp_path)
    peer.kill()

def test_library(tmp_path):
    with pytest_peer.start(start_method="spawn") as peer:
        peer.submit(time.sleep, 600)
        peer.submit("work:work", tmp_path).result()
""",
}


@pytest.fixture
def examples(measured) -> list[Path]:
    """The files of the examples, which a test can import by their names."""
    for library in LIBRARIES:
        pytest.importorskip(library)
    copies = []
    for folder, names in FILES.items():
        for name in names:
            copies.append(measured.path / name)
            copies[-1].parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / "examples" / folder / name, copies[-1])
    return copies


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize("thread", IN_PEERS)
def test_examples_in_peers_equal_those_in_process(measured, examples, thread):
    measured.settings("core = ctrace")  # the other one knows no contexts
    measured.inner.write(IN_PROCESS[thread] + IN_PEERS[thread])
    modules = [measured.module("work", WORK), *examples]
    options = ("--cov-context=test", "--cov-branch", "-o", f"peer_preload={PRELOADED}")
    measured.test(*options, "test_inner.py", timeout=SECONDS).assert_outcomes(passed=4)

    data, ran = measured.data(), {}
    for test in sorted(data.measured_contexts()):
        data.set_query_context(test)
        arcs = {path.name: sorted(data.arcs(str(path)) or ()) for path in modules}
        ran[test.partition("::")[2]] = arcs
    ran = {name: arcs for name, arcs in ran.items() if name.endswith("|run")}
    here = ran.pop("test_in_process|run")
    assert all(arcs for name, arcs in here.items() if name != "__init__.py")
    assert list(ran.values()) == [here] * 3
    assert measured.files() == [".coverage"]
