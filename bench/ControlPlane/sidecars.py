"""Simulated sidecars: one HTTP/2 connection and one delta ADS stream each, as Envoy with Istio's bootstrap opens them. Only the standard library.

A sidecar asks for clusters, then for the endpoints of the EDS clusters, then for listeners, then for the routes the listeners name. It acknowledges
everything and keeps nothing but the names it subscribed to. Fleet collects: bytes and messages by type, when a sidecar had its first full
configuration, and when an awaited change arrived.
"""
import asyncio
import random
import struct
import time

BASE = 'type.googleapis.com/envoy.config.'
CDS, EDS, LDS, RDS, VHDS = (BASE + t for t in ('cluster.v3.Cluster', 'endpoint.v3.ClusterLoadAssignment', 'listener.v3.Listener', 'route.v3.RouteConfiguration', 'route.v3.VirtualHost'))
SHORT = {CDS: 'CDS', EDS: 'EDS', LDS: 'LDS', RDS: 'RDS', VHDS: 'VHDS'}
METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
WINDOW = (1 << 31) - 1

# -- protocol buffers, by hand


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def struct_pb(d):
    return b''.join(field(1, field(1, k) + field(2, value_pb(v))) for k, v in d.items())


def value_pb(v):
    if isinstance(v, bool):
        return b'\x20' + (b'\x01' if v else b'\x00')
    if isinstance(v, (int, float)):
        return b'\x11' + struct.pack('<d', v)
    if isinstance(v, str):
        return field(3, v)
    if isinstance(v, dict):
        return field(5, struct_pb(v))
    return field(6, b''.join(field(1, value_pb(x)) for x in v))


def fields(b, pos, end):
    """(number, start, stop) of each field; a varint field has its value as start and None as stop."""
    while pos < end:
        tag = b[pos]
        pos += 1
        if tag > 127:
            tag = tag & 127 | b[pos] << 7
            pos += 1
        wire = tag & 7
        if wire == 2 or wire == 0:
            n = b[pos]
            pos += 1
            if n > 127:
                n &= 127
                shift = 7
                while True:
                    c = b[pos]
                    pos += 1
                    n |= (c & 127) << shift
                    if c < 128:
                        break
                    shift += 7
            if wire == 0:
                yield tag >> 3, n, None
            else:
                yield tag >> 3, pos, pos + n
                pos += n
        else:
            width = 8 if wire == 1 else 4
            yield tag >> 3, pos, pos + width
            pos += width


def first(b, pos, end, number):
    for n, s, e in fields(b, pos, end):
        if n == number:
            return s, e
    return None


def route_name(b, s, e):
    """The RDS name of one listener filter chain's filters, if there is one."""
    for n, fs, fe in fields(b, s, e):
        if n == 3:                                            # filter
            config = first(b, fs, fe, 4)
            if config:
                url = first(b, *config, 1)
                if url and bytes(b[url[0]:url[1]]).endswith(b'HttpConnectionManager'):
                    value = first(b, *config, 2)
                    rds = value and first(b, *value, 3)
                    name = rds and first(b, *rds, 2)
                    if name:
                        yield bytes(b[name[0]:name[1]])


def node(pod, apart=False, version='1.32.0'):
    ns = pod['namespace']
    meta = {'NAME': pod['name'], 'NAMESPACE': ns, 'SERVICE_ACCOUNT': pod['account'], 'LABELS': pod['labels'], 'CLUSTER_ID': 'Kubernetes', 'INSTANCE_IPS': pod['ip'],
            'MESH_ID': 'cluster.local', 'ISTIO_VERSION': version, 'WORKLOAD_NAME': pod['name'], 'INTERCEPTION_MODE': 'REDIRECT', 'APP_CONTAINERS': 'app',
            'OWNER': f'kubernetes://apis/apps/v1/namespaces/{ns}/deployments/{pod["name"]}', 'NODE_NAME': pod['node'], 'ENVOY_STATUS_PORT': 15021, 'ENVOY_PROMETHEUS_PORT': 15090,
            'PILOT_SAN': ['istiod.istio-system.svc'],
            'PROXY_CONFIG': {'discoveryAddress': 'istiod.istio-system.svc:15012', 'statusPort': 15020, 'proxyAdminPort': 15000, 'configPath': './etc/istio/proxy',
                             'drainDuration': '45s', 'serviceCluster': 'istio-proxy', 'concurrency': 2, 'terminationDrainDuration': '5s'}}
    if apart:
        meta['VHDS'] = 'true'                                 # takes the virtual hosts of large route tables one by one
    return (field(1, f'sidecar~{pod["ip"]}~{pod["name"]}.{ns}~{ns}.svc.cluster.local') + field(2, f'{pod["account"]}.{ns}') + field(3, struct_pb(meta)) +
            field(4, field(1, 'region1') + field(2, f'zone{int(pod["node"][-1]) % 3}')))

# -- one sidecar


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes((kind, flags)) + struct.pack('>I', stream) + payload


def text(s):
    return varint(len(s)) + s.encode() if len(s) < 127 else b'\x7f' + varint(len(s) - 127) + s.encode()


class Sidecar(asyncio.Protocol):
    def __init__(self, fleet, pod, attempt=1):
        self.fleet, self.pod, self.attempt = fleet, pod, attempt
        self.buf, self.msg = bytearray(), bytearray()
        self.unacked, self.window, self.stream_window, self.initial, self.out = 0, 65535, 65535, 65535, bytearray()
        self.clusters, self.routes, self.tables, self.waiting = set(), set(), set(), {}
        self.have, self.done = set(), None
        self.count, self.bytes, self.last = 0, 0, 0.0
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport
        head = (b'\x83\x86' + b'\x04' + text(METHOD) + b'\x01' + text(self.fleet.authority) + b'\x0f\x10' + text('application/grpc') + b'\x00' + text('te') + text('trailers') +
                b''.join(b'\x00' + text(k) + text(v) for k, v in self.fleet.headers(self.pod)))
        transport.write(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0, struct.pack('>HIHI', 4, WINDOW, 2, 0)) + frame(8, 0, 0, struct.pack('>I', WINDOW - 65535)) + frame(1, 4, 1, head))
        self.request(CDS, node=node(self.pod, self.fleet.apart))
        self.waiting[CDS] = None

    def connection_lost(self, error):
        if not self.closed:
            self.closed = True
            self.fleet.again(self)

    def close(self):
        self.closed = True
        self.transport.close()

    def request(self, url, subscribe=(), unsubscribe=(), nonce=b'', node=b''):
        m = (field(1, node) if node else b'') + field(2, url) + b''.join(field(3, n) for n in subscribe) + b''.join(field(4, n) for n in unsubscribe) + (field(6, nonce) if nonce else b'')
        self.out += b'\x00' + struct.pack('>I', len(m)) + m
        self.flush()

    def flush(self):
        while self.out:
            n = min(len(self.out), 16384, self.window, self.stream_window)
            if n <= 0:
                return
            self.transport.write(frame(0, 0, 1, bytes(self.out[:n])))
            del self.out[:n]
            self.window -= n
            self.stream_window -= n

    def data_received(self, data):
        buf = self.buf
        buf += data
        pos, n = 0, len(buf)
        while n - pos >= 9:
            length = buf[pos] << 16 | buf[pos + 1] << 8 | buf[pos + 2]
            end = pos + 9 + length
            if end > n:
                break
            kind, flags = buf[pos + 3], buf[pos + 4]
            if kind == 0:
                self.msg += buf[pos + 9:end]
                self.unacked += length
            elif kind == 4 and not flags & 1:
                for at in range(pos + 9, end, 6):
                    key, value = struct.unpack_from('>HI', buf, at)
                    if key == 4:
                        self.stream_window += value - self.initial
                        self.initial = value
                self.transport.write(frame(4, 1, 0))
                self.flush()
            elif kind == 6 and not flags & 1:
                self.transport.write(frame(6, 1, 0, bytes(buf[pos + 9:end])))
            elif kind == 8:
                add = struct.unpack_from('>I', buf, pos + 9)[0]
                if struct.unpack_from('>I', buf, pos + 5)[0]:
                    self.stream_window += add
                else:
                    self.window += add
                self.flush()
            elif kind in (3, 7) or kind == 1 and flags & 1:
                self.transport.close()                            # refused or ended: connection_lost tries again
            pos = end
        del buf[:pos]
        if self.unacked > 1 << 28:
            self.transport.write(frame(8, 0, 0, struct.pack('>I', self.unacked)) + frame(8, 0, 1, struct.pack('>I', self.unacked)))
            self.unacked = 0
        msg = self.msg
        while len(msg) >= 5:
            size = struct.unpack_from('>I', msg, 1)[0]
            if len(msg) < 5 + size:
                break
            whole = bytes(memoryview(msg)[5:5 + size])
            del msg[:5 + size]
            self.response(whole)

    def response(self, b):
        now = time.monotonic()
        url, nonce, found, gone = '', b'', [], []
        intern = self.fleet.intern
        for n, s, e in fields(b, 0, len(b)):
            if n == 2:
                found.append((s, e))
            elif n == 4:
                url = b[s:e].decode()
            elif n == 5:
                nonce = b[s:e]
            elif n == 6:
                gone.append(intern(b[s:e]))
        self.count += 1
        self.bytes += len(b)
        self.last = now
        self.fleet.received(self, SHORT.get(url, url), len(b), len(found), now)
        wanted = self.fleet.needle
        if wanted and url in wanted[0] and self not in self.fleet.arrived and wanted[1] in b:
            self.fleet.arrived[self] = now
        subscribe, unsubscribe, after, names = (), (), None, []
        if url in (LDS, CDS) or url == EDS and self.fleet.by_name or url == RDS and self.fleet.apart or self.done is None:
            for s, e in found:
                at = first(b, s, e, 3)
                names.append((intern(b[at[0]:at[1]]), s, e))
        if url == CDS:
            new = [n for n, s, e in names if n not in self.clusters and self.fleet.is_eds(n, b, s, e)]
            self.clusters.update(new)
            unsubscribe = [n for n in gone if n in self.clusters]
            self.clusters.difference_update(unsubscribe)
            after = (EDS, new, unsubscribe)
        elif url == LDS:
            routes = set()
            for _, s, e in names:
                at = first(b, s, e, 2)
                value = first(b, *at, 2)
                for n, fs, fe in fields(b, *value):
                    if n == 3 or n == 25:
                        routes.update(map(intern, route_name(b, fs, fe)))
            new = [r for r in routes if r not in self.routes]
            self.routes.update(new)
            after = (RDS, new, ())
        elif url == RDS and self.fleet.apart:
            # A table whose hosts come one by one says so by its field vhds; they are asked for by its name.
            new = [n for n, s, e in names if n not in self.tables and first(b, *first(b, *first(b, s, e, 2), 2), 9)]
            self.tables.update(new)
            after = (VHDS, new, ())
        elif url == EDS and self.fleet.by_name:
            for n, _, _ in names:
                self.fleet.endpoint(self, n, now)
        self.request(url, nonce=nonce)                           # the acknowledgement
        if after and (after[1] or after[2]):
            self.request(after[0], subscribe=after[1], unsubscribe=after[2])
        if self.done is None:
            self.start(url, [n for n, _, _ in names], now)

    def start(self, url, names, now):
        """Until the first full configuration: what to ask for next."""
        self.have.add(url)
        if url in (EDS, RDS):
            left = self.waiting.get(url)
            if left is None:
                left = self.waiting[url] = set(self.clusters if url == EDS else self.routes)
            left.difference_update(names)
        if url == VHDS:
            self.waiting.setdefault(VHDS, set()).update(n.split(b'/', 1)[0] for n in names)
        if LDS not in self.waiting and (EDS in self.have and not self.waiting[EDS] or CDS in self.have and not self.clusters):
            self.waiting[LDS] = None
            self.request(LDS)
        if LDS in self.have and (not self.routes or RDS in self.have and not self.waiting[RDS]) and self.tables <= self.waiting.get(VHDS, set()):
            self.done = now
            self.waiting = {}
            self.fleet.ready += 1


class Fleet:
    def __init__(self, address, pods, identity=False, apart=False):
        self.host, _, self.port = address.rpartition(':')
        self.authority, self.identity, self.apart = 'istiod.istio-system.svc', identity, apart
        self.pods, self.sidecars = pods, []
        self.names, self.eds = {}, {}
        self.refused = self.lost = self.ready = 0
        self.needle, self.arrived, self.by_name, self.applied, self.delays = None, {}, False, {}, []
        self.reset()

    def reset(self):
        self.total = {}

    def headers(self, pod):
        if self.identity:
            return [('x-oracle-identity', f'spiffe://cluster.local/ns/{pod["namespace"]}/sa/{pod["account"]}')]
        return []

    def intern(self, b):
        b = bytes(b)
        return self.names.setdefault(b, b)

    def is_eds(self, name, b, s, e):
        r = self.eds.get(name)
        if r is None:
            any_ = first(b, s, e, 2)
            value = first(b, *any_, 2)
            kind = first(b, *value, 2)
            r = self.eds[name] = bool(kind and kind[0] == 3)
        return r

    def received(self, sidecar, short, size, resources, now):
        t = self.total.setdefault(short, [0, 0, 0])
        t[0] += 1
        t[1] += size
        t[2] += resources

    def expect(self, urls, needle):
        self.needle, self.arrived = (urls, needle), {}

    def endpoint(self, sidecar, name, now):
        a = self.applied.get(name)
        if a and sidecar in a[1]:
            a[1].discard(sidecar)
            self.delays.append((a[0], now - a[0]))

    def watchers(self, name):
        return [s for s in self.sidecars if name in s.clusters]

    def again(self, old):
        """A refused or broken stream comes back as Envoy's does: after a random part of 0.5 s, 1.5 s, 3.5 s ... 30 s."""
        if old.done is None:
            self.refused += 1
        else:
            self.lost += 1
            self.ready -= 1
        attempt = old.attempt + 1 if old.done is None else 1
        delay = random.random() * min(30, 0.5 * (2 ** attempt - 1))
        asyncio.get_running_loop().call_later(delay, lambda: asyncio.ensure_future(self.replace(old, attempt)))

    async def replace(self, old, attempt):
        if old in self.sidecars:
            at = self.sidecars.index(old)
            new = self.sidecars[at] = Sidecar(self, old.pod, attempt)
            await asyncio.get_running_loop().create_connection(lambda: new, self.host, int(self.port))

    async def connect(self, timeout=600):
        """All at once; returns when every sidecar has its first full configuration: the seconds each took."""
        loop = asyncio.get_running_loop()
        self.ready = self.lost = self.refused = 0
        t0 = time.monotonic()
        self.sidecars = [Sidecar(self, p) for p in self.pods]
        await asyncio.gather(*(loop.create_connection(lambda s=s: s, self.host, int(self.port)) for s in list(self.sidecars)))
        while self.ready < len(self.pods):
            if time.monotonic() - t0 > timeout:
                raise RuntimeError(f'{self.ready}/{len(self.pods)} ready, {self.refused} refused, '
                                   f'{[(s.have, {k: list(v or ())[:3] for k, v in s.waiting.items()}) for s in self.sidecars if not s.done][:1]}')
            await asyncio.sleep(0.005)
        return [s.done - t0 for s in self.sidecars]

    async def close(self):
        for s in self.sidecars:
            s.close()
        self.sidecars = []
        await asyncio.sleep(0)
