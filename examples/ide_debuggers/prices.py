"""The code under test."""

from __future__ import annotations


def price(count):
    rebate = count // 10
    return 3 * count - rebate
