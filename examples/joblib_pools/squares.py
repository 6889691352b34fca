"""The code under test: pools of joblib."""

from __future__ import annotations

import os
import signal

import joblib
import numpy as np


def square(number):
    print(f"squares {number}", flush=True)
    return number * number, os.getpid()


def squares(count, **options):
    return joblib.Parallel(n_jobs=2, **options)(joblib.delayed(square)(n) for n in range(count))


def total(part, gate=None):
    """Add an array up, when someone opens the named pipe."""
    if gate:
        with open(gate) as pipe:
            pipe.read()
    return type(part).__name__, float(part.sum())


def totals(folder, gate=None):
    """Share an array with the pool, by a file in a folder."""
    array = np.ones((4, 1000))
    parallel = joblib.Parallel(n_jobs=2, max_nbytes=100, temp_folder=folder)
    return parallel(joblib.delayed(total)(row, gate) for row in array)


def crash(number):
    signal.raise_signal(signal.SIGSEGV)


def crashes():
    joblib.Parallel(n_jobs=2)(joblib.delayed(crash)(n) for n in range(2))
