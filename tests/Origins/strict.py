"""A reader of HTTP/1.1 that forgives nothing: what the proxy wrote must be understood in one way only (RFC 9112)."""
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
LINE = re.compile(rb'^(' + TOKEN + rb') ([!-~]+) HTTP/1\.1$')
FIELD = re.compile(rb'^(' + TOKEN + rb'):[ \t]*([\t -~\x80-\xff]*?)[ \t]*$')
SIZE = re.compile(rb'^[0-9A-Fa-f]{1,16}$')


class Ambiguous(Exception):
    pass


class Reader:
    """Bytes in, whole messages out."""

    def __init__(self):
        self.data = b''

    def feed(self, data):
        """Yields the bytes of each message that is whole now."""
        self.data += data
        while True:
            length = message_length(self.data)
            if length is None:
                return
            yield self.data[:length]
            self.data = self.data[length:]


def message_length(data):
    """None while it is not all there."""
    if not data:
        return None
    end = data.find(b'\r\n\r\n')
    head = data if end < 0 else data[:end]
    for line in head.split(b'\r\n') if end >= 0 else []:
        if b'\r' in line or b'\n' in line or b'\0' in line:
            raise Ambiguous(f'control character in {line[:80]!r}')
    if end < 0:
        return None
    lines = head.split(b'\r\n')
    if not LINE.match(lines[0]):
        raise Ambiguous(f'request line {lines[0][:120]!r}')
    fields = {}
    for line in lines[1:]:
        m = FIELD.match(line)
        if not m:
            raise Ambiguous(f'field {line[:120]!r}')
        fields.setdefault(m.group(1).lower(), []).append(m.group(2))
    if len(fields.get(b'host', [])) != 1:
        raise Ambiguous(f"{len(fields.get(b'host', []))} Host fields")
    lengths, codings = fields.get(b'content-length', []), fields.get(b'transfer-encoding', [])
    if len(lengths) + len(codings) > 1:
        raise Ambiguous(f'framed twice: {lengths + codings}')
    if codings and codings != [b'chunked']:
        raise Ambiguous(f'coding {codings}')
    if lengths and not (lengths[0].isdigit() and lengths[0].isascii()):
        raise Ambiguous(f'length {lengths}')
    at = end + 4
    if lengths:
        at += int(lengths[0])
        return at if len(data) >= at else None
    if not codings:
        return at
    while True:
        stop = data.find(b'\r\n', at)
        if stop < 0:
            return None
        line = data[at:stop]
        if not SIZE.match(line):
            raise Ambiguous(f'chunk size {line[:80]!r}')
        size = int(line, 16)
        at = stop + 2
        if size == 0:
            break
        if len(data) < at + size + 2:
            return None
        if data[at + size:at + size + 2] != b'\r\n':
            raise Ambiguous('a chunk that does not end')
        at += size + 2
    while True:
        stop = data.find(b'\r\n', at)
        if stop < 0:
            return None
        line = data[at:stop]
        at = stop + 2
        if not line:
            return at
        if not FIELD.match(line):
            raise Ambiguous(f'trailer {line[:120]!r}')
