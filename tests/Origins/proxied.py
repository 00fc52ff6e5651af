"""Our proxy before a server that keeps what it is sent: which bytes does the proxy make of a request?"""
import asyncio
import json
import os
import re
import subprocess
import time
import urllib.request

from origins import connect, free_port, wait_port
from strict import Ambiguous, Reader

LANES = 16
QUIET, QUIET_FIRST = 0.1, 0.5    # seconds without a byte
HOST = 'a.example'


def host_of(lane):
    """As long as HOST, which stands in for it in what is compared: lengths within a message stay right."""
    return f'lane{lane:02}.ab'


class Sink:
    """Answers whole messages, keeps them by lane. A lane is used by one request at a time, so what it holds afterwards is what came of that request."""

    def __init__(self):
        self.kept, self.faults, self.ports = [[] for _ in range(LANES)], [], []

    async def start(self):
        for lane in range(LANES):
            server = await asyncio.start_server(lambda r, w, lane=lane: self.serve(lane, r, w), '127.0.0.1', 0, backlog=256)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def serve(self, lane, reader, writer):
        strict = Reader()
        try:
            while data := await reader.read(65536):
                for message in strict.feed(data):
                    self.kept[lane].append(message)
                    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' if message.startswith(b'HEAD ') else b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
                await writer.drain()
        except Ambiguous as e:
            self.faults.append((lane, str(e), strict.data[:2000]))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.close()


class Proxy:
    """A sidecar with one outbound listener a lane, its control plane on a folder."""

    def __init__(self, work, istiod, proxy, sink_ports):
        self.work, self.istiod, self.proxy, self.processes = work, istiod, proxy, []
        self.ports = [free_port() for _ in range(LANES)]
        self.sink_ports = sink_ports

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def spawn(self, name, argv, env=None):
        log = open(self.path(name + '.log'), 'ab')
        p = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **(env or {})}, start_new_session=True)
        self.processes.append(p)
        return p

    def start(self):
        os.makedirs(self.path('config'), exist_ok=True)
        text = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: origins}\n'
        for lane in range(LANES):
            text += f'''---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: lane-{lane}, namespace: origins}}
spec:
  hosts: [{host_of(lane)}]
  ports: [{{number: {self.ports[lane]}, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{http: {self.sink_ports[lane]}}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: lane-{lane}, namespace: origins}}
spec:
  hosts: ["{host_of(lane)}"]
  http: [{{route: [{{destination: {{host: {host_of(lane)}}}}}], retries: {{attempts: 0}}}}]
'''
        text += '---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: one, namespace: origins}\nspec:\n  egress:\n'
        for lane in range(LANES):
            text += f'  - {{port: {{number: {self.ports[lane]}, protocol: HTTP, name: http}}, bind: 127.0.0.1, captureMode: NONE, hosts: ["origins/{host_of(lane)}"]}}\n'
        with open(self.path('config', 'all.yaml'), 'w') as f:
            f.write(text)
        with open(self.path('mesh.yaml'), 'w') as f:
            f.write('{}\n')
        xds, http = free_port(), free_port()
        self.spawn('istiod', [self.istiod, '--folder', self.path('config'), '--state', self.path('state'), '--meshConfig', self.path('mesh.yaml'), '--grpcAddr', f'127.0.0.1:{xds}',
                              '--secureGrpcAddr', 'none', '--httpAddr', f'127.0.0.1:{http}', '--monitoringAddr', 'none'])
        wait_port(xds, 60)
        wait_port(http, 60)
        refused = json.loads(urllib.request.urlopen(f'http://127.0.0.1:{http}/debug/refused').read())
        if refused:
            raise RuntimeError(f'refused: {refused}')
        token = subprocess.run([self.istiod, 'token', '--state', self.path('state'), '--namespace', 'origins', '--service-account', 'one'], capture_output=True, text=True, check=True).stdout.strip()
        with open(self.path('token'), 'w') as f:
            f.write(token)
        admin, status, ready, prometheus = (free_port() for _ in range(4))
        self.one = self.spawn('proxy', [self.proxy, 'proxy', 'sidecar'], {
            'POD_NAME': 'one', 'POD_NAMESPACE': 'origins', 'SERVICE_ACCOUNT': 'one', 'INSTANCE_IP': '127.0.0.1', 'ISTIO_META_INTERCEPTION_MODE': 'NONE', 'ISTIO_TOKEN_PATH': self.path('token'),
            'ENVOY_STATUS_PORT': str(ready), 'ENVOY_PROMETHEUS_PORT': str(prometheus),
            'PROXY_CONFIG': json.dumps({'discoveryAddress': f'127.0.0.1:{xds}', 'controlPlaneAuthPolicy': 'NONE', 'concurrency': 1, 'proxyAdminPort': admin, 'statusPort': status})})
        end = time.time() + 60
        while time.time() < end:
            try:
                if urllib.request.urlopen(f'http://127.0.0.1:{ready}/healthz/ready', timeout=1).status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError('the proxy is not ready')

    def stop(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(10)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()


async def until_quiet(reader):
    """What the proxy says until it closes, or says nothing more. Nobody ends a connection for it: a proxy may take that for a caller who has gone."""
    said = b''
    try:
        while more := await asyncio.wait_for(reader.read(65536), QUIET if said else QUIET_FIRST):
            said += more
    except (OSError, asyncio.TimeoutError):
        pass
    return said


async def send_http1(port, data, rng):
    """Sends the bytes in one to three pieces and waits until the proxy is done with them."""
    reader, writer = await connect(port)
    try:
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 1, 2]))) if data else []
        for a, b in zip([0, *cuts], [*cuts, len(data)]):
            writer.write(data[a:b])
            await writer.drain()
        await until_quiet(reader)
    except OSError:
        pass
    finally:
        writer.close()


def h2_frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, 'big') + bytes([kind, flags]) + stream.to_bytes(4, 'big') + payload


def h2_fields(fields):
    """Literals without indexing or Huffman: any byte may stand anywhere."""
    out = b''
    for name, value in fields:
        out += b'\0'
        for text in (name.encode('latin-1'), value.encode('latin-1')):
            n = len(text)
            out += bytes([n]) if n < 127 else bytes([127, (n - 127) & 127 | 128, (n - 127) >> 7]) if n - 127 > 127 else bytes([127, n - 127])
            out += text
    return out


async def send_http2(port, request):
    fields, body, trailers = request
    data = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + h2_frame(4, 0, 0, b'')
    data += h2_frame(1, 4 | (0 if body or trailers else 1), 1, h2_fields(fields))
    for i, piece in enumerate(body):
        data += h2_frame(0, 1 if i == len(body) - 1 and not trailers else 0, 1, piece)
    if trailers:
        data += h2_frame(1, 5, 1, h2_fields(trailers))
    data += h2_frame(1, 5, 3, h2_fields([(':method', 'GET'), (':scheme', 'http'), (':authority', HOST), (':path', '/second')]))
    reader, writer = await connect(port)
    try:
        writer.write(data + h2_frame(4, 1, 0, b''))
        await until_quiet(reader)
    except OSError:
        pass
    finally:
        writer.close()


async def forwarded(proxy, sink, requests, rng):
    """What the proxy made of each request: how many there were, and (request, [messages]) for those of which anything was sent on."""
    results, count = [], 0
    waiting = iter(requests)

    async def work(lane):
        nonlocal count
        host = host_of(lane)
        for kind, request in waiting:
            count += 1
            sink.kept[lane] = []
            faults = len(sink.faults)
            if kind == 'h1':
                await send_http1(proxy.ports[lane], request.replace(HOST.encode(), host.encode()), rng)
            else:
                fields, body, trailers = request
                await send_http2(proxy.ports[lane], ([(n, v.replace(HOST, host)) for n, v in fields], [b.replace(HOST.encode(), host.encode()) for b in body], trailers))
            if proxy.one.poll() is not None:
                raise RuntimeError(f'the proxy ended with {proxy.one.returncode} at {request!r}')
            for fault in sink.faults[faults:]:
                if fault[0] == lane:
                    print(f'AMBIGUOUS {fault[1]}\n  of {request!r}\n  was made {fault[2]!r}', flush=True)
            if sink.kept[lane]:
                results.append((request, [re.sub(rb'lane\d\d\.ab', HOST.encode(), m) for m in sink.kept[lane]]))

    await asyncio.gather(*(work(lane) for lane in range(LANES)))
    return count, results
