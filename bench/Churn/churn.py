#!/usr/bin/env python3
"""Config churn under load: a mesh on this machine, requests through a sidecar all the time, and so many changes of its YAML a second. Counts requests that fail and says when a change took effect.

usage: churn.py [--home DIR] [--meshctl FILE] [--rate 100] [--seconds 60] [--requests 400] [--services 50]

The mesh is `meshctl run` on a folder: a caller's sidecar, two versions of a service with theirs (mutual TLS between), and --services more that only are configured. Changes go round: the route
that the requests take (a response header carries the change's number), its DestinationRule, a ServiceEntry's endpoints, the route of another service. The control plane waits for a quiet moment
and at most a second; changes that took effect together are a batch, and what is told is how long after the second that began with a batch's first change its last was seen in an answer.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEBOUNCE_MAX = 1.0
CONNECTIONS = 4


def workload(name, app, version, port):
    return f'''apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: {name}
  namespace: shop
  annotations: {{run.meshctl/command: '"$MESH_HOME"/mesh-service --name {app} --version {version} --listen 127.0.0.1:{port}'}}
spec: {{address: 127.0.0.1, serviceAccount: {app}, labels: {{app: {app}, version: {version}}}, ports: {{http: {port}}}}}
'''


def service(name):
    return f'apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}]}}\n'


def route(host, number):
    split = f'[{{destination: {{host: {host}, subset: v1}}, weight: {50 + number % 40}}}, {{destination: {{host: {host}, subset: v2}}, weight: {50 - number % 40}}}]'
    return f'''apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {host}, namespace: shop}}
spec: {{hosts: [{host}], http: [{{headers: {{response: {{set: {{x-change: "{number}"}}}}}}, route: {split}}}]}}
'''


def rule(number):
    return f'''apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: orders, namespace: shop}}
spec:
  host: orders
  trafficPolicy: {{connectionPool: {{http: {{http2MaxRequests: {1000 + number}}}}}}}
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
'''


def entry(number):
    return f'''apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: outside, namespace: shop}}
spec: {{hosts: [outside.example], location: MESH_EXTERNAL, resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], endpoints: [{{address: 192.0.2.{1 + number % 250}}}]}}
'''


class Folder:
    def __init__(self, path, services):
        self.path, self.services, self.began = path, services, {}
        free = []
        for _ in range(2):
            s = socket.create_server(('127.0.0.1', 0))
            free.append(s)
        ports = [s.getsockname()[1] for s in free]
        for s in free:
            s.close()
        me = 'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: me, namespace: shop}\nspec: {address: 127.0.0.1, serviceAccount: me, labels: {app: me}}\n'
        strict = 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n'
        self.write('mesh', '---\n'.join([workload('orders-v1', 'orders', 'v1', ports[0]), workload('orders-v2', 'orders', 'v2', ports[1]), me, strict, service('orders')]
                                        + [service(f's{i}') for i in range(services)]))
        self.write('orders', route('orders', 0))
        self.write('rule', rule(0))
        self.write('outside', entry(0))

    def write(self, name, text):
        made = os.path.join(self.path, f'.{name}.new')
        with open(made, 'w') as f:
            f.write(text)
        os.rename(made, os.path.join(self.path, f'{name}.yaml'))

    def change(self, number):
        kind = number % 4
        if kind == 0:
            self.began[number] = time.monotonic()
            self.write('orders', route('orders', number))
        elif kind == 1:
            self.write('rule', rule(number))
        elif kind == 2:
            self.write('outside', entry(number))
        else:
            self.write(f's{number // 4 % self.services}', route(f's{number // 4 % self.services}', number))


class Callers:
    """Some connections that ask all the time, each at its share of the rate."""

    def __init__(self, address, rate):
        self.address, self.pause = address, CONNECTIONS / rate
        self.asked, self.failed, self.seen, self.end = 0, [], {}, False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(CONNECTIONS)]

    @staticmethod
    def read_body(wire, headers):
        if b'content-length' in headers:
            wire.read(int(headers[b'content-length']))
            return
        while (size := int(wire.readline(), 16)):
            wire.read(size + 2)
        wire.readline()

    def ask(self):
        wire, due = None, time.monotonic()
        while not self.end:
            due = max(due + self.pause, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
            try:
                wire = wire or socket.create_connection(self.address, timeout=10).makefile('rwb')
                wire.write(b'GET http://orders/ HTTP/1.1\r\nhost: orders\r\n\r\n')
                wire.flush()
                status = wire.readline()
                headers = {}
                while (line := wire.readline().strip()):
                    name, _, value = line.partition(b':')
                    headers[name.lower()] = value.strip()
                self.read_body(wire, headers)
                if headers.get(b'connection') == b'close':
                    wire = None
                problem = None if b' 200 ' in status else status.decode().strip()
                number = int(headers.get(b'x-change', b'-1'))
            except (OSError, KeyError, ValueError) as e:
                wire, problem, number = None, repr(e), -1
            with self.lock:
                self.asked += 1
                self.seen.setdefault(number, time.monotonic())
                if problem:
                    self.failed.append((time.monotonic(), problem))


def delays(began, seen):
    """Seconds from each change until it showed; seconds after its own second until a batch, which is what first showed together, did; what never showed."""
    all_of, late, shown = [], [], sorted(n for n in seen if n > 0)
    waiting = sorted(began)
    for number in shown:
        batch = [n for n in waiting if n <= number]
        if not batch:
            continue
        waiting = waiting[len(batch):]
        all_of += [seen[number] - began[n] for n in batch]
        late.append(seen[number] - (began[batch[0]] + DEBOUNCE_MAX))
    return all_of, late, waiting


def told(values):
    values = sorted(1000 * value for value in values)
    return f'p50 {statistics.median(values):.0f} ms, p99 {values[min(len(values) - 1, int(0.99 * len(values)))]:.0f} ms, last {values[-1]:.0f} ms'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--home', default=os.path.join(TREE, 'artifacts/bin'), help='folder of the native programs')
    parser.add_argument('--meshctl', help='another meshctl than that of --home')
    parser.add_argument('--rate', type=float, default=100)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--requests', type=float, default=400)
    parser.add_argument('--services', type=int, default=50)
    options = parser.parse_args()

    work = tempfile.mkdtemp(prefix='churn-')
    folder = Folder(work, options.services)
    mesh = subprocess.Popen([options.meshctl or os.path.join(options.home, 'meshctl'), 'run', work, '--json'], stdout=subprocess.PIPE, env={**os.environ, 'MESH_HOME': options.home})
    try:
        me = next(w for w in json.loads(mesh.stdout.readline())['workloads'] if w['name'] == 'me')
        callers = Callers((me['address'], int(me['httpProxy'].rsplit(':', 1)[1])), options.requests)
        for thread in callers.threads:
            thread.start()
        while 0 not in callers.seen:
            time.sleep(0.1)
        time.sleep(1)
        callers.failed.clear()  # of the time before the mesh was whole
        before, start, total = callers.asked, time.monotonic(), int(options.rate * options.seconds)
        for number in range(1, total + 1):
            time.sleep(max(0, start + number / options.rate - time.monotonic()))
            folder.change(number)
        took = time.monotonic() - start
        time.sleep(3)
        callers.end = True
        for thread in callers.threads:
            thread.join()
    finally:
        mesh.terminate()
        mesh.wait(20)
        shutil.rmtree(work)

    all_of, late, never = delays(folder.began, callers.seen)
    print(f'{total / took:.0f} changes a second for {took:.0f} s; {callers.asked - before} requests, {len(callers.failed)} failed; {len(never)} changes never seen\n'
          f'from a change until it shows: {told(all_of)}\n{len(late)} batches, beyond a whole second of debounce: {told(late)}')
    for at, problem in callers.failed[:: max(1, len(callers.failed) // 8)]:
        print(f'{at - start:.2f} s: {problem}')
    return 1 if callers.failed or never else 0


if __name__ == '__main__':
    sys.exit(main())
