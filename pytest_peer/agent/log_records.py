"""Packs a log record for the origin: its message as text, and whatever else can travel."""

import sys
from typing import Any

from ..link.protocol import codec, messages, refusals, sender
from ..link.protocol.unpatched import marshal

#: The types that `marshal` rebuilds as they are. It takes anything with a buffer for bytes.
_PLAIN = frozenset((str, int, float, bool, bytes, type(None)))
#: What is no extra field. Formatters add the second line.
_USUAL = frozenset(messages.LOG_FIELDS) | {"msg", "args", "exc_info", "exc_text"}
_USUAL |= {"message", "asctime", messages.LOG_MARK}
#: Of each text of a record that is longer than one part of a message.
_MOST = 80000
_NO_CODE = "code does not travel with a record"


def packed(record):
    """Return the record as `messages.RECORD` has it; raises nothing for what is odd in it."""
    held = record.__dict__
    plain, pickled = {}, {}
    for name in held.keys() - _USUAL:
        value = held[name]
        if type(value) not in _PLAIN:
            try:
                pickled[str(name)] = codec.dumps(value, _NO_CODE)
                continue
            except Exception:
                value = refusals.safe_repr(value)
        plain[str(name)] = value
    texts = [_message(record), _exception(record)]
    fields = [held.get(name) for name in messages.LOG_FIELDS]
    try:
        data = marshal.dumps((*texts, plain, pickled, *fields), 2)
    except ValueError:  # a level of another type, a subclass of a str
        texts, fields = list(map(_made_plain, texts)), list(map(_made_plain, fields))
        data = marshal.dumps((*texts, plain, pickled, *fields), 2)
    if len(data) > sender.CHUNK:  # in several parts, the reply would overtake it
        data = marshal.dumps((*map(_cut, texts), {}, {}, *map(_cut, fields)), 2)
    return data


def note(text):
    """Return a record of ours, packed."""
    logging: Any = sys.modules["logging"]
    return packed(logging.LogRecord("pytest_peer", logging.WARNING, "", 0, text, (), None))


def _message(record):
    try:
        text = record.getMessage()
        return text if type(text) is str else str(text)
    except Exception as exc:
        # As it is shown where a handler fails, with what it could not render.
        what = type(exc).__name__, refusals.safe_repr(exc, str)
        shown = refusals.safe_repr(record.msg), refusals.safe_repr(record.args)
        return "%s: %s; the message is %s, its arguments are %s" % (*what, *shown)


def _exception(record):
    text, exc_info = record.exc_text, record.exc_info
    if not text and exc_info:
        try:
            logging: Any = sys.modules["logging"]
            text = logging.Formatter().formatException(exc_info)
        except Exception as exc:
            text = "an exception that cannot be shown: %s" % type(exc).__name__
    return text or None


def _made_plain(value):
    if type(value) in _PLAIN:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return refusals.safe_repr(value)


def _cut(text):
    if type(text) is not str or len(text) <= _MOST:
        return text
    return "%s... %d characters more" % (text[:_MOST], len(text) - _MOST)
