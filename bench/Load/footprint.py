#!/usr/bin/env python3
"""Says what one sidecar takes: resident memory and the time from its start until it is ready, with the configuration of `meshctl demo`.

usage: footprint.py [--proxy PATH] [--istiod PATH] [--connections 0 1000 9000] [--tls-connections 0 1000] [--starts 5] [--services 0] [--env NAME=VALUE ...] [--maps] [--json FILE]

The sidecar is the demo's frontend: it serves port 8000 (mutual TLS only) and calls through port 8080. First it is started a few times for the time, then once for
memory: idle after it became ready and after 200 requests, then with idle connections: plain ones to its outbound port, TLS ones (client certificate and all) to its inbound port.
Memory is that of /proc/PID/smaps_rollup: Rss, its private part, and the anonymous part (what is not a page of a file). --maps shows it by mapping.
"""
import argparse
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from compare import HERE, TREE, LOAD_CPU, PROXY_CPU, Processes, free_port, wait_port

NAMES = {'Rss': 'rss', 'Pss': 'pss', 'Private_Clean': 'private_clean', 'Private_Dirty': 'private_dirty', 'Anonymous': 'anonymous'}
ADDRESS = '127.77.9.11'
OTHER, ANOTHER = '127.77.9.12', '127.77.9.13'


def memory(pid):
    """Megabytes, by kind."""
    with open(f'/proc/{pid}/smaps_rollup') as f:
        found = dict(line.split()[:2] for line in list(f)[1:])
    return {name: int(found[key + ':']) / 1024 for key, name in NAMES.items()}


def maps(pid):
    """(mapping, Rss, Anonymous) in kilobytes, largest first."""
    sums, name = {}, ''
    with open(f'/proc/{pid}/smaps') as f:
        for line in f:
            if re.match(r'^[0-9a-f]+-[0-9a-f]+ ', line):
                parts = line.split(None, 5)
                name = (os.path.basename(parts[5].strip()) if len(parts) > 5 else '[anon]') + ' ' + parts[1]
            elif line.startswith(('Rss:', 'Anonymous:')):
                entry = sums.setdefault(name, [0, 0])
                entry[0 if line.startswith('Rss') else 1] += int(line.split()[1])
    return sorted(((n, *v) for n, v in sums.items()), key=lambda e: -e[1])


def threads(pid):
    return len(os.listdir(f'/proc/{pid}/task'))


class Footprint:
    def __init__(self, options, work):
        self.options, self.work, self.processes = options, work, Processes(work)
        self.folder, self.state = os.path.join(work, 'config'), os.path.join(work, 'state')
        self.origin = self.start_origin()
        self.start_control_plane()

    def start_origin(self):
        """Both backend versions' application: one kilobyte for whatever is asked."""
        port = free_port()
        code = ('import http.server\n'
                'class H(http.server.BaseHTTPRequestHandler):\n'
                ' protocol_version, disable_nagle_algorithm = "HTTP/1.1", True\n'
                ' def do_GET(self): self.send_response(200); self.send_header("content-length", "1024"); self.end_headers(); self.wfile.write(b"x" * 1024)\n'
                ' def log_message(self, *a): pass\n'
                f'http.server.ThreadingHTTPServer(("127.0.0.1", {port}), H).serve_forever()\n')
        self.processes.start('origin', [sys.executable, '-c', code], LOAD_CPU)
        wait_port(port)
        return port

    def start_control_plane(self):
        os.makedirs(self.folder)
        for name in os.listdir(os.path.join(TREE, 'samples/demo')):
            if name.endswith('.yaml'):
                shutil.copy(os.path.join(TREE, 'samples/demo', name), self.folder)
        with open(os.path.join(self.folder, '99-workloads.yaml'), 'w') as f:
            for workload, app, version, address in (('frontend-v1', 'frontend', 'v1', ADDRESS), ('backend-v1', 'backend', 'v1', OTHER), ('backend-v2', 'backend', 'v2', ANOTHER)):
                f.write(f'''---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {workload}, namespace: demo}}
spec: {{address: {address}, serviceAccount: {app}, labels: {{app: {app}, version: {version}, security.istio.io/tlsMode: istio}}, ports: {{http: 8000}}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {workload}, namespace: demo}}
spec:
  workloadSelector: {{labels: {{app: {app}, version: {version}}}}}
  ingress:
  - {{port: {{number: 8000, protocol: HTTP, name: http}}, bind: {address}, captureMode: NONE, defaultEndpoint: "127.0.0.1:{self.origin}"}}
''')
                if app == 'frontend':
                    f.write(f'  egress:\n  - {{port: {{number: 8080, protocol: HTTP, name: http}}, bind: {address}, captureMode: NONE, hosts: ["*/*"]}}\n')
        with open(os.path.join(self.folder, '98-services.yaml'), 'w') as f:
            for i in range(self.options.services):
                addresses = ', '.join(f'{{address: 10.{i // 250}.{i % 250}.{e + 1}}}' for e in range(10))
                f.write(f'---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: many-{i}, namespace: demo}}\n'
                        f'spec: {{hosts: [many-{i}.demo.test], ports: [{{number: 8080, name: http, protocol: HTTP}}], location: MESH_INTERNAL, resolution: STATIC, endpoints: [{addresses}]}}\n')
        xds, http = free_port(), free_port()
        self.http = http
        self.xds = f'127.0.0.1:{xds}'
        self.processes.start('istiod', [self.options.istiod, '--folder', self.folder, '--state', self.state, '--grpcAddr', self.xds, '--secureGrpcAddr', 'none',
                                        '--httpAddr', f'127.0.0.1:{http}', '--monitoringAddr', 'none'], LOAD_CPU)
        wait_port(xds, seconds=60)
        self.wait_ready(f'http://127.0.0.1:{http}/ready')
        refused = json.loads(urllib.request.urlopen(f'http://127.0.0.1:{http}/debug/refused').read())
        if refused:
            raise RuntimeError(f'refused: {refused}')

    @staticmethod
    def wait_ready(url):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if urllib.request.urlopen(url, timeout=1).status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f'{url} is not ready')

    def token(self, account):
        path = os.path.join(self.work, account + '.token')
        if not os.path.exists(path):
            text = subprocess.run([self.options.istiod, 'token', '--state', self.state, '--namespace', 'demo', '--service-account', account], capture_output=True, text=True, check=True).stdout
            with open(path, 'w') as f:
                f.write(text.strip())
        return path

    def start_proxy(self, name='frontend-v1', app='frontend', version='v1', address=ADDRESS):
        """Milliseconds from fork to the first positive answer of the readiness port."""
        env = {'POD_NAME': name, 'POD_NAMESPACE': 'demo', 'SERVICE_ACCOUNT': app, 'INSTANCE_IP': address, 'ISTIO_META_WORKLOAD_NAME': name,
               'ISTIO_META_INTERCEPTION_MODE': 'NONE', 'ISTIO_META_CLUSTER_ID': 'Kubernetes', 'TERMINATION_DRAIN_DURATION': '1s', 'STATUS_ADDRESS': address,
               'ISTIO_METAJSON_LABELS': json.dumps({'app': app, 'version': version, 'service.istio.io/canonical-name': app, 'service.istio.io/canonical-revision': version}),
               'PROXY_CONFIG': json.dumps({'discoveryAddress': self.xds, 'controlPlaneAuthPolicy': 'NONE', 'concurrency': 1}), 'ISTIO_TOKEN_PATH': self.token(app),
               **dict(pair.split('=', 1) for pair in self.options.env)}
        began = time.monotonic()
        p = self.processes.start('proxy-' + name, [self.options.proxy, 'proxy', 'sidecar', '--domain', 'demo.svc.cluster.local'], PROXY_CPU, env)
        while not self.is_ready(address):
            if p.poll() is not None or time.monotonic() - began > 30:
                raise RuntimeError(f'{name} did not become ready; see {self.work}/proxy-{name}.log')
            time.sleep(0.005)
        return p, (time.monotonic() - began) * 1000

    @staticmethod
    def is_ready(address):
        try:
            with socket.create_connection((address, 15021), 1) as s:
                s.sendall(b'GET /healthz/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
                return s.recv(64).startswith(b'HTTP/1.1 200')
        except OSError:
            return False

    def starts(self):
        found = []
        for _ in range(self.options.starts):
            p, ms = self.start_proxy()
            found.append(ms)
            self.processes.stop(p)
        return found

    def report(self, label, pid):
        m = memory(pid)
        print(f"{label:34} Rss {m['rss']:6.1f}  Pss {m['pss']:6.1f}  private {m['private_clean'] + m['private_dirty']:6.1f}  anonymous {m['anonymous']:6.1f} MB  threads {threads(pid)}")
        sys.stdout.flush()
        return m

    def run(self):
        results = {}
        if self.options.starts:
            found = results['ready_ms'] = self.starts()
            print(f'start to ready, ms: median {statistics.median(found):.0f} [{min(found):.0f}-{max(found):.0f}] of {len(found)}')
        p, _ = self.start_proxy()
        time.sleep(self.options.settle)
        results['idle'] = self.report('idle', p.pid)
        if self.options.maps:
            for name, rss, anonymous in maps(p.pid)[:30]:
                print(f'    {rss:7} kB  {anonymous:7} anonymous  {name}')
        self.requests()
        time.sleep(self.options.settle)
        results['after requests'] = self.report('after 200 requests', p.pid)
        for count in self.options.connections:
            results[f'{count} plain'] = self.with_connections(p.pid, count, tls=False)
        for count in self.options.tls_connections:
            results[f'{count} TLS'] = self.with_connections(p.pid, count, tls=True)
        return results

    def requests(self):
        """Through the outbound port to the backend's sidecar and back."""
        self.start_proxy('backend-v1', 'backend', 'v1', OTHER)
        self.start_proxy('backend-v2', 'backend', 'v2', ANOTHER)
        failed = 0
        for _ in range(200):
            with socket.create_connection((ADDRESS, 8080), 5) as s:
                s.sendall(b'GET / HTTP/1.1\r\nhost: backend.demo.svc.cluster.local:8080\r\nconnection: close\r\n\r\n')
                failed += not s.recv(64).startswith(b'HTTP/1.1 200')
        if failed:
            print(f'{failed} of 200 requests failed', file=sys.stderr)

    def with_connections(self, pid, count, tls):
        before = memory(pid)
        context = self.client_context() if tls else None
        held = []
        for i in range(count):
            s = socket.socket()
            s.settimeout(20)
            # One source address has ports for so many.
            s.bind((f'127.0.{100 + i // 5000}.1', 0))
            s.connect((ADDRESS, 8000 if tls else 8080))
            if tls:
                s = context.wrap_socket(s, server_hostname='x')
            s.sendall(b'GET /healthz HTTP/1.1\r\nhost: frontend.demo.svc.cluster.local:8080\r\n\r\n')
            while not (got := s.recv(65536)).endswith(b'x') and got:
                pass
            held.append(s)
        time.sleep(self.options.settle)
        after = self.report(f"{count} idle {'TLS' if tls else 'plain'} connections", pid)
        if count:
            print(f"    {(after['rss'] - before['rss']) * 1024 / count:.2f} kB a connection")
        for s in held:
            s.close()
        time.sleep(1)
        return after

    def client_context(self):
        """A certificate of the mesh, as the control plane's own state gives it: signed with its root for the backend's identity."""
        key, pem = os.path.join(self.work, 'client.key'), os.path.join(self.work, 'client.pem')
        certificate, ca_key = os.path.join(self.state, 'root-cert.pem'), os.path.join(self.state, 'root-key.pem')
        if not os.path.exists(pem):
            subprocess.run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/', '-keyout', key, '-out', pem + '.csr'], check=True, capture_output=True)
            with open(pem + '.ext', 'w') as f:
                f.write('subjectAltName=critical,URI:spiffe://cluster.local/ns/demo/sa/backend\nextendedKeyUsage=clientAuth,serverAuth\n')
            subprocess.run(['openssl', 'x509', '-req', '-in', pem + '.csr', '-CA', certificate, '-CAkey', ca_key, '-set_serial', '77', '-days', '1', '-extfile', pem + '.ext',
                            '-out', pem], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(pem, key)
        context.set_alpn_protocols(['istio-http/1.1'])
        return context


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--proxy', default=os.path.join(TREE, 'artifacts/bin/mesh-proxy'))
    parser.add_argument('--istiod', default=os.path.join(TREE, 'artifacts/bin/mesh-istiod'))
    parser.add_argument('--connections', type=int, nargs='*', default=[1000, 9000])
    parser.add_argument('--tls-connections', type=int, nargs='*', default=[1000])
    parser.add_argument('--starts', type=int, default=5)
    parser.add_argument('--services', type=int, default=0, help='more services, each with ten endpoints, that the sidecar is told of')
    parser.add_argument('--settle', type=float, default=5, help='seconds before memory is read')
    parser.add_argument('--env', nargs='*', default=[])
    parser.add_argument('--maps', action='store_true')
    parser.add_argument('--json')
    parser.add_argument('--keep', action='store_true', help='keep the work folder with logs')
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = tempfile.mkdtemp(prefix='mesh-footprint-')
    footprint = None
    try:
        footprint = Footprint(options, work)
        results = footprint.run()
        if options.json:
            with open(options.json, 'w') as f:
                json.dump(results, f, indent=1)
    finally:
        if footprint:
            footprint.processes.stop_all()
        if options.keep:
            print(work)
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
