"""Functions that log, for peers to run."""

from __future__ import annotations

import logging
import os
import threading

APP = logging.getLogger("app")
DB = logging.getLogger("app.db")


def log(text: str = "hello", level: int = logging.WARNING, name: str = "app.db") -> int:
    logging.getLogger(name).log(level, text)
    return os.getpid()


async def log_later(text: str) -> None:
    import asyncio

    await asyncio.sleep(0)
    DB.warning(text)


def log_at_all_levels(name: str = "app.db") -> None:
    logger = logging.getLogger(name)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, logging.getLevelName(level).lower())


def log_on_a_thread(text: str) -> None:
    thread = threading.Thread(target=DB.warning, args=(text,), name="pump")
    thread.start()
    thread.join()


def enabled(level: int, name: str = "app.db") -> bool:
    return logging.getLogger(name).isEnabledFor(level)


def set_level(level: int, name: str = "") -> None:
    logging.getLogger(name).setLevel(level)
