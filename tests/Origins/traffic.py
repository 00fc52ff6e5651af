"""What is sent: the lines of framing-variants.tsv, and requests made of parts that readers understand differently. One seed, one sequence."""
import os
import random
import re

HERE = os.path.dirname(os.path.abspath(__file__))
VARIANTS = os.path.join(HERE, '..', 'Tests', 'Http', 'framing-variants.tsv')


def variants():
    """The bytes of each variant."""
    with open(VARIANTS, encoding='utf-8') as f:
        return [unescape(line.rstrip('\n').split('\t')[1]) for line in f]


def unescape(text):
    out = b''
    for part in re.split(r'(⏎|\\\\|\\t|\\x[0-9a-f]{2})', text):
        if part == '⏎':
            out += b'\r\n'
        elif part == '\\\\':
            out += b'\\'
        elif part == '\\t':
            out += b'\t'
        elif part.startswith('\\x'):
            out += bytes([int(part[2:], 16)])
        else:
            out += part.encode()
    return out


METHODS = ['GET', 'POST', 'POST', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'PATCH', 'get', 'BREW', 'PRI', 'TRACE', 'G\x00T', 'GE T', 'CONNECT']
TARGETS = ['/v', '/v', '/v', '/v?x=1', '/v#f', '//v', '/a/../v', '/a/%2e%2e/v', '/%00', '/v%0d%0aX:y', '*', 'v', '', '/a b', '/a\tb', '/\x80', 'http://a.example/v', 'http://a.example', 'https://b.example/v',
           'http://u@a.example/', '/v;x', '/\\v', '/%zz', '/v HTTP/1.1']
VERSIONS = ['HTTP/1.1'] * 14 + ['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', ' HTTP/1.1', 'HTTP/01.1', 'HTTP/1', 'HTTP/1.1\x00', '']
HOSTS = [['a.example']] * 8 + [['a.example', 'a.example'], ['b.example', 'a.example'], [], [''], ['a.example:80'], ['a.example:x'], ['a.example/x'], ['a b'], ['u@a.example'], ['a.example\t']]
LENGTHS = ['{n}'] * 6 + ['0{n}', '{n} ', '+{n}', '-{n}', '{n},{n}', '{n}, 0', '0x{n}', '{n};', '"{n}"', '{n}\x0b', '\x0c{n}', '0', '{m}', '{l}', '99999999999999999999', '', '{n} {n}', '{n}.0']
CODINGS = ['chunked'] * 6 + ['Chunked', ' chunked', 'chunked ', '\tchunked', 'xchunked', 'chunked, identity', 'identity, chunked', 'gzip, chunked', 'chunked, chunked', 'chunked;q=1', '"chunked"', 'chunked\x0b', '\x00chunked',
                           'identity', '', 'chunke', 'chunked,', ',chunked', 'cow']
NAMES = ['{}'] * 8 + ['{} ', ' {}', '{}\t', '{}\x00', '\x0b{}', 'X-{}', '{}-', '{}_', '"{}"', '{}\r']
ENDS = ['\r\n'] * 24 + ['\n', '\r', '\r\r\n', '\n\r', '\r\n ', '\r\n\t', '\x0b\r\n', '\x00\r\n']
EXTRAS = [('X-A', 'b'), ('X-A', ''), ('Connection', 'close'), ('Connection', 'keep-alive'), ('Connection', 'Content-Length'), ('Connection', 'Transfer-Encoding'), ('Connection', 'close, x-a'), ('Expect', '100-continue'),
          ('Expect', 'x'), ('Upgrade', 'websocket'), ('Upgrade', 'h2c'), ('TE', 'trailers'), ('TE', 'chunked'), ('Trailer', 'X-T'), ('Keep-Alive', 'timeout=5'), ('X-A', 'a\x00b'), ('X-A', 'a\rb'), ('X-A', 'é'),
          ('Cookie', 'a=b'), ('Range', 'bytes=0-1'), ('If-None-Match', '*'), ('X-HTTP-Method-Override', 'DELETE'), ('Content-Encoding', 'gzip'), ('Content-Type', 'text/plain'), ('Transfer_Encoding', 'chunked'),
          ('Content_Length', '3'), ('X', 'x' * 300), ('GET /smuggled HTTP/1.1', ''), ('', 'x')]
SIZES = ['{x}'] * 8 + ['{X}', '0{x}', '000000000000000{x}', '0000000000000000000{x}', '0x{x}', '+{x}', '-{x}', '{x} ', ' {x}', '{x};a', '{x};a=b', '{x};a="b"', '{x};', '{x};\n', '{x};a="\r\n"', '{x}_', '{x}h', '{x}\x00', '{y}', 'ffffffffffffffff', '']
BODIES = ['hello', '', 'x' * 40, 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n', '0\r\n\r\n', '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n', '\r\n', 'POST /smuggled HTTP/1.1\r\nContent-Length: 9\r\n\r\n']
TRAILERS = [''] * 6 + ['X-T: 1\r\n', 'Content-Length: 9\r\n', 'Transfer-Encoding: chunked\r\n', 'X-T : 1\r\n', ' X: y\r\n', 'Host: b.example\r\n', 'X\r\n', 'X-T: \x00\r\n', 'GET /smuggled HTTP/1.1\r\n']


def latin(text):
    return text.encode('latin-1', 'replace') if all(ord(c) < 256 for c in text) else text.encode()


def http1(rng):
    """One connection's bytes: a message of chosen parts, sometimes damaged further, often another request behind it."""
    pick = rng.choice
    calm = rng.random() < .6    # only one thing may be wrong then
    odd = (lambda many, plain: plain if calm and rng.random() < .8 else pick(many))
    body = pick(BODIES)
    n = len(body)
    fields = [(odd(NAMES, '{}').format('Host'), h) for h in odd(HOSTS, ['a.example'])]
    framing = rng.random()
    chunks = framing > .5
    if framing < .5 or not calm and rng.random() < .2:
        fields.append((odd(NAMES, '{}').format('Content-Length'), odd(LENGTHS, '{n}').format(n=n, m=n + 1, l=max(0, n - 1))))
    if chunks or not calm and rng.random() < .2:
        fields.append((odd(NAMES, '{}').format('Transfer-Encoding'), odd(CODINGS, 'chunked')))
    for _ in range(pick([0, 0, 1, 1, 2, 3])):
        fields.append(pick(EXTRAS))
    rng.shuffle(fields)
    end = (lambda: '\r\n') if calm else (lambda: pick(ENDS))
    head = f'{pick(METHODS)} {pick(TARGETS)} {pick(VERSIONS)}' if not calm else f'{pick(["GET", "POST", "PUT"])} /v HTTP/1.1'
    text = head + end() + ''.join(f'{k}:{pick([" ", " ", " ", "", chr(9)])}{v}{end()}' for k, v in fields) + end()
    if chunks:
        cut = rng.randrange(n + 1)
        pieces = [p for p in (body[:cut], body[cut:]) if p]
        if rng.random() < .5:
            pieces = [body] if body else []
        for piece in pieces:
            size = odd(SIZES, '{x}')
            text += size.format(x=format(len(piece), 'x'), X=format(len(piece), 'X'), y=format(len(piece) + 1, 'x')) + end() + piece + (end() if rng.random() < .95 else '')
        if rng.random() < .95:
            text += odd(['0', '0', '0', '0', '00', '0;a=b', '0 ', '-0', '0x0'], '0') + end() + odd(TRAILERS, '') + end()
    else:
        text += body
    data = latin(text)
    if rng.random() < (.05 if calm else .2) and data:
        at = rng.randrange(len(data))
        data = pick([data[:at] + bytes([rng.randrange(256)]) + data[at + 1:], data[:at] + data[at + 1:], data[:at] + data[at:at + 1] + data[at:], data[:at]])
    if rng.random() < .6:
        data += b'GET /second HTTP/1.1\r\nHost: a.example\r\n\r\n'
    return data


H2_FIELDS = [(':method', ['GET', 'POST', 'PUT', 'get', 'G ET', 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\nGET', '']),
             (':path', ['/v', '/v', '/v?x', '/a b', '/v HTTP/1.1\r\nX: y', '', 'v', '*', '/\r\n', '/%0d%0a', '/v#f', 'http://b.example/']),
             (':scheme', ['http', 'http', 'https', 'ftp', '', 'http://a.example/x?']),
             (':authority', ['a.example', 'a.example', 'a.example:80', 'u@a.example', 'a.example\r\nX: y', 'a b', '', 'b.example/x'])]
H2_EXTRAS = [('content-length', '5'), ('content-length', '0'), ('content-length', '+5'), ('content-length', '5, 5'), ('content-length', '6'), ('transfer-encoding', 'chunked'), ('transfer-encoding', 'identity'),
             ('connection', 'close'), ('connection', 'keep-alive'), ('te', 'trailers'), ('te', 'chunked'), ('host', 'a.example'), ('host', 'b.example'), ('x-a', 'b'), ('x-a', 'a\r\nX: y'), ('x-a', 'a\nb'), ('x-a', 'a\x00b'),
             ('x-a', ' b '), ('X-A', 'b'), ('x a', 'b'), ('x-a:', 'b'), ('x-a\r\nx', 'b'), ('', 'b'), (':status', '200'), (':x', 'y'), ('upgrade', 'h2c'), ('expect', '100-continue'), ('proxy-connection', 'close'),
             ('keep-alive', '1'), ('cookie', 'a=b'), ('cookie', 'c=d'), ('transfer_encoding', 'chunked'), ('content_length', '4'), ('trailer', 'x-t'), ('http2-settings', 'AAMA')]


def http2(rng):
    """One stream: its header list as it is, its DATA frames, perhaps trailers."""
    pick = rng.choice
    calm = rng.random() < .6
    fields = [(name, values[0] if calm else pick(values)) for name, values in H2_FIELDS]
    if rng.random() < .5:
        fields[0] = (':method', 'POST')
    if not calm and rng.random() < .2:
        fields.append(pick(fields))
    if not calm and rng.random() < .1:
        fields.remove(pick(fields))
    extras = [pick(H2_EXTRAS) for _ in range(pick([0, 1, 1, 2, 3]))]
    fields += extras
    if not calm and rng.random() < .1:
        rng.shuffle(fields)
    body = [latin(pick(BODIES)) for _ in range(pick([0, 0, 1, 1, 2]))]
    trailers = [pick(H2_EXTRAS)] if rng.random() < .15 else []
    return fields, body, trailers


def sequence(seed, count):
    """(kind, what to send): the variants first, then as many made ones as are asked for; every fourth is HTTP/2."""
    for data in variants():
        yield 'h1', data
    rng = random.Random(seed)
    for i in range(count):
        if i % 4 == 3:
            yield 'h2', http2(rng)
        else:
            yield 'h1', http1(rng)
