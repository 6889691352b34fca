"""Contexts of coverage: lines that peers run are those of the test during which they do."""

from __future__ import annotations

PEERS = """
    import shop

    @pytest.fixture(scope="session")
    def server(session_peer_factory):
        peer = session_peer_factory()
        peer.submit(shop.serve, *FILES)
        return peer

    FILES = f"request-{os.getpid()}", f"answer-{os.getpid()}"

    def ask():
        with open(FILES[0], "w"):
            pass
        while not os.path.exists(FILES[1]):
            time.sleep(0.001)

    def test_one(peer):
        peer.call(shop.sell, 11)

    def test_two(peer, server):
        peer.call(shop.deliver)
        server.call(shop.sell, 1)

    def test_three(server):
        ask()

    def test_four(server):
        server.submit(shop.sell, 11).result()
        server.kill()

    @pytest.mark.in_peer
    def test_five():
        assert shop.sell(1) == "retail"
"""


def test_contexts_of_pytest_cov(measured):
    measured.inner.write(PEERS)
    measured.test("--cov-context=test").assert_outcomes(passed=5)
    ran = {
        name: [f"test_inner.py::test_{each}|run" for each in tests] for name, tests in RAN.items()
    }
    assert {name: sorted(measured.contexts(name)) for name in ran} == ran
    assert measured.files() == [".coverage"]


def test_contexts_under_xdist(measured):
    measured.inner.write(PEERS)
    measured.test("--cov-context=test", "-n", "2").assert_outcomes(passed=5)
    ran = {
        name: [f"test_inner.py::test_{each}|run" for each in tests] for name, tests in RAN.items()
    }
    assert {name: sorted(measured.contexts(name)) for name in ran} == ran


#: The tests in which a line runs, sorted by name.
RAN = {
    "wholesale": ["four", "one"],
    "retail": ["five", "two"],
    "delivered": ["two"],
    "served": ["three"],
}


def test_dynamic_contexts_of_coverage(measured):
    measured.settings("dynamic_context = test_function\nsource = .")
    measured.inner.write(PEERS)
    measured.test_below().assert_outcomes(passed=5)
    ran = {name: [f"test_inner.test_{each}" for each in tests] for name, tests in RAN.items()}
    del ran["served"]  # a peer hears of such a context with a call
    assert {name: sorted(measured.contexts(name)) for name in ran} == ran
    assert measured.files() == [".coverage"]


def test_static_context_is_kept(measured):
    measured.settings("context = nightly\nsource = .")
    measured.inner.write(PEERS)
    measured.test("--cov", "--cov-context=test").assert_outcomes(passed=5)
    assert measured.contexts("delivered") == ["nightly|test_inner.py::test_two|run"]
