"""Four ranks of torch.distributed (gloo, on the CPU), also when one is late, hangs or dies.

Torch's own tests start four processes for each test, in each of which torch is imported anew, look
every 0.1 s whether these have ended, and compare their exit statuses. Here four peers serve all
tests, and answer as functions do.

Shows: peers that many tests share (`module_peer_factory`); the index of a peer in its group
(`here.index`); calls of a whole group, and of a part of it; an exception that comes back as itself;
a rank that waits (`wait_blocked`), and one that is killed while the others wait for it.

Needs torch: `pip install --group torch`. It is large, and so not among what `examples/run` installs;
without it these tests are skipped.
"""

from __future__ import annotations

import datetime
import os
import sys

import pytest

from pytest_peer import here

if os.environ.get("CI") != "true" or sys.version_info >= (3, 15):  # in CI it has to be installed
    pytest.importorskip("torch", reason="no torch: pip install --group torch")

import torch
import torch.distributed as dist

WORLD = 4  # ranks
SOON = 20.0  # seconds; far more than it ever takes


def join(path):
    dist.init_process_group(
        "gloo",
        store=dist.FileStore(path, WORLD),
        rank=here.index,
        world_size=WORLD,
        timeout=datetime.timedelta(seconds=SOON),
    )


def leave():
    if dist.is_initialized():  # not in a rank that has been restarted
        dist.destroy_process_group()


def or_leave(fn, *args):
    """Leave after an error: then those who wait for this rank have one too, and not only the next."""
    try:
        return fn(*args)
    except RuntimeError:
        leave()
        raise


@pytest.fixture(scope="module")
def peers(module_peer_factory):
    return module_peer_factory.many(WORLD, name="rank", env={"OMP_NUM_THREADS": "1"})


@pytest.fixture
def ranks(peers, tmp_path):
    peers.call(join, str(tmp_path / "store"))
    yield peers
    peers.call(leave)


def all_reduce(operation="SUM", number=None):
    tensor = torch.tensor([here.index + 1 if number is None else number])
    dist.all_reduce(tensor, getattr(dist.ReduceOp, operation))
    return tensor.item()


def broadcast(root):
    tensors = [torch.tensor([10 * here.index]), torch.tensor([10 * here.index + 1])]
    for tensor in tensors:
        dist.broadcast(tensor, root)
    return [tensor.item() for tensor in tensors]


def broadcast_checked(root, *tensors):
    options = dist.BroadcastOptions()
    options.rootRank, options.rootTensor = root, 0
    dist.group.WORLD._get_backend(torch.device("cpu")).broadcast(list(tensors), options)


def all_to_all():
    """Send the own rank to each other, and return what they have sent."""
    others = [rank for rank in range(WORLD) if rank != here.index]
    received = {rank: torch.tensor([-1]) for rank in others}
    works = [dist.isend(torch.tensor([here.index]), rank) for rank in others]
    works += [dist.irecv(received[rank], rank) for rank in others]
    for work in works:
        work.wait()
    return {rank: tensor.item() for rank, tensor in received.items()}


def reduce_and_meet():
    """Begin many operations, wait for a barrier only, and return what has become of them."""
    tensors = [torch.full((100, 100), float(number)) for number in range(16)]
    for tensor in tensors:
        dist.all_reduce(tensor, async_op=True)
    dist.barrier()
    return [tensor.unique().tolist() for tensor in tensors]


def monitored_barrier(seconds):
    dist.monitored_barrier(timeout=datetime.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("operation", "result"),
    [("SUM", 10), ("PRODUCT", 24), ("MIN", 1), ("MAX", 4), ("BAND", 0), ("BOR", 7), ("BXOR", 4)],
)
def test_all_reduce(ranks, operation, result):
    assert ranks.call(all_reduce, operation) == [result] * WORLD


def test_all_reduce_of_averages(ranks):
    assert ranks.map(all_reduce, ["AVG"] * WORLD, [1.0, 2.0, 3.0, 4.0]) == [2.5] * WORLD


@pytest.mark.parametrize("root", range(WORLD))
def test_broadcast(ranks, root):
    assert ranks.call(broadcast, root) == [[10 * root, 10 * root + 1]] * WORLD


@pytest.mark.parametrize(
    ("complaint", "root", "shapes"),
    [
        ("invalid root rank", -1, [1]),
        ("invalid root rank", WORLD, [1]),
        ("invalid root tensor", 0, []),
        ("invalid tensor size", 0, [1, 2]),
    ],
)
def test_broadcast_checks_what_it_gets(ranks, complaint, root, shapes):
    with pytest.raises(RuntimeError, match=complaint):  # at once, it needs no other rank
        ranks[0].call(broadcast_checked, root, *map(torch.zeros, shapes))


def test_all_to_all(ranks):
    everyone = set(range(WORLD))
    assert ranks.call(all_to_all) == [{n: n for n in everyone - {rank}} for rank in range(WORLD)]


def test_a_barrier_implies_waiting(ranks):
    assert ranks.call(reduce_and_meet) == [[[WORLD * number] for number in range(16)]] * WORLD


def test_all_wait_for_the_last_rank(ranks):
    early = ranks[:-1].submit(all_reduce)
    for future in early:
        future.wait_blocked(SOON)
    assert ranks[-1].call(all_reduce) == 10
    assert [future.result(SOON) for future in early] == [10] * (WORLD - 1)


def test_a_monitored_barrier_names_the_rank_that_does_not_come(ranks):
    first, *others = [ranks[n].submit(or_leave, monitored_barrier, 0.1) for n in (0, 2, 3)]
    with pytest.raises(RuntimeError, match="Rank 1 failed to pass monitoredBarrier"):
        first.result(SOON)
    for other in others:
        with pytest.raises(RuntimeError, match="errors while waiting for send/recv from rank 0"):
            other.result(SOON)


def test_the_others_notice_that_a_rank_is_killed(ranks):
    waiting = ranks[:-1].submit(or_leave, all_reduce)
    for future in waiting:
        future.wait_blocked(SOON)
    ranks[-1].kill()
    for future in waiting:
        with pytest.raises(RuntimeError, match="Connection closed by peer"):
            future.result(SOON)
    ranks[-1].restart()
