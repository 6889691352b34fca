"""Modules that a peer gets when it imports them and has none: sent as source, beside those of the library that work there.

Their names there are in the origin's module `parcel`.
"""
