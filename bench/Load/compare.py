#!/usr/bin/env python3
"""Compares proxies by what they cost: CPU time of the proxy's processes per request (or per gigabit), in one run on one core.

usage: compare.py [--proxy PATH] [--also NAME=PATH ...] [--istiod PATH] [--scenario NAME ...] [--seconds 5] [--rounds 3] [--realtime] [--json FILE]

Scenarios: h1 (HTTP/1.1 hop), pair (two sidecars, mutual TLS between), h2 (HTTP/2 hop), grpc (unary calls of 64 bytes, answered with 64 and trailers), tcp (bulk through a TCP listener).
Other builds of our proxy named with --also are measured in the same rounds: before and after. --realtime keeps other work on the machine from interrupting (needs root).
Peers that are not installed are left out: nginx, haproxy, nghttpx; Envoy when MESH_ENVOY names its binary.
The proxy is pinned to CPU 0, load and origin to the last CPU. Rounds are interleaved; the figure is their median.
Needs: wrk; h2load for h2 and grpc.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
TICK = os.sysconf('SC_CLK_TCK')
CPUS = sorted(os.sched_getaffinity(0))
PROXY_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
BODY = b'x' * 1024
GRPC_MESSAGE = b'\0\0\0\0\x3b' + b'x' * 59
HOST = 'origin.bench.test'


def free_port(address='127.0.0.1'):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def wait_port(port, address='127.0.0.1', seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection((address, port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f'nobody listens on {address}:{port}')


class Processes:
    """Started here, stopped here, by their ids."""

    def __init__(self, work):
        self.work, self.all = work, []

    def start(self, name, argv, cpu, env=None):
        log = open(os.path.join(self.work, name + '.log'), 'ab')
        p = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **(env or {})}, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}), start_new_session=True)
        self.all.append(p)
        return p

    def stop(self, p):
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(8)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()

    def stop_all(self):
        for p in reversed(self.all):
            self.stop(p)


def family(pid):
    """A process and its children."""
    pids = [pid]
    for p in pids:
        try:
            with open(f'/proc/{p}/task/{p}/children') as f:
                pids += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return pids


def cpu_seconds(pids):
    """Of all of them, in their own code and in the kernel."""
    own = kernel = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        own, kernel = own + int(fields[11]), kernel + int(fields[12])
    return own / TICK, kernel / TICK


def prefer(pids):
    """Before everything else that runs on the machine, all threads there are by now."""
    for pid in pids:
        for thread in os.listdir(f'/proc/{pid}/task'):
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(20))


def resident_mb(pids):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/status') as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith('VmRSS'))
    return total / 1024


class Bench:
    def __init__(self, options, work):
        self.options, self.work, self.processes = options, work, Processes(work)
        self.origin = self.start_origin()

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)
        return self.path(name)

    # -- origin: an nginx of its own, HTTP/1.1 and h2c, one kilobyte or sixty-four megabytes

    def start_origin(self):
        port = free_port()
        os.makedirs(self.path('www'), exist_ok=True)
        with open(self.path('www', 'small'), 'wb') as f:
            f.write(BODY)
        with open(self.path('www', 'big'), 'wb') as f:
            f.truncate(64 << 20)
        os.makedirs(self.path('www', 'bench.Echo'), exist_ok=True)
        with open(self.path('www', 'bench.Echo', 'Say'), 'wb') as f:
            f.write(GRPC_MESSAGE)
        self.message = self.path('message')
        with open(self.message, 'wb') as f:
            f.write(GRPC_MESSAGE)
        h2 = free_port()
        conf = self.write('origin.conf', f'''
user root; worker_processes 1; daemon off; pid {self.path('origin.pid')}; error_log stderr error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {self.path('t1')}; proxy_temp_path {self.path('t2')}; fastcgi_temp_path {self.path('t3')};
  uwsgi_temp_path {self.path('t4')}; scgi_temp_path {self.path('t5')};
  server {{ listen 127.0.0.1:{port} backlog=4096; root {self.path('www')}; }}
  server {{ listen 127.0.0.1:{h2} http2 backlog=4096; root {self.path('www')};
    location /bench.Echo {{ default_type application/grpc; error_page 405 =200 $uri; add_trailer grpc-status 0; }} }} }}''')
        origin = self.processes.start('origin', ['nginx', '-p', self.work, '-c', conf], LOAD_CPU)
        wait_port(port)
        if self.options.realtime:
            prefer(family(origin.pid))
        self.origin_h2 = h2
        return port

    # -- peers: each returns (pids, port) for a scenario, or None

    def nginx(self, scenario):
        if scenario in ('h2', 'grpc', 'pair', 'tcp'):
            return None
        port = free_port()
        body = f'''http {{ access_log off; keepalive_requests 100000000; upstream o {{ server 127.0.0.1:{self.origin}; keepalive 256; keepalive_requests 100000000; }}
  client_body_temp_path {self.path('n1')}; proxy_temp_path {self.path('n2')}; fastcgi_temp_path {self.path('n3')}; uwsgi_temp_path {self.path('n4')}; scgi_temp_path {self.path('n5')};
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-Proto http; }} }} }}'''
        conf = self.write('nginx.conf', f"user root; worker_processes 1; daemon off; pid {self.path('nginx.pid')}; error_log stderr error;\nevents {{ worker_connections 4096; }}\n{body}")
        p = self.processes.start('nginx', ['nginx', '-p', self.work, '-c', conf], PROXY_CPU)
        wait_port(port)
        return [p], port

    def haproxy(self, scenario):
        port = free_port()
        base = f'global\n  nbthread 1\n  maxconn 4000\ndefaults\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n'
        if scenario == 'tcp':
            text = base + f'  mode tcp\nfrontend f\n  bind 127.0.0.1:{port}\n  option splice-auto\n  default_backend b\nbackend b\n  server s 127.0.0.1:{self.origin}\n'
            confs = [text]
        elif scenario == 'h1':
            confs = [base + f'  mode http\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:{port}\n  http-request set-header x-forwarded-proto http\n  default_backend b\nbackend b\n  server s 127.0.0.1:{self.origin}\n']
        elif scenario in ('h2', 'grpc'):
            confs = [base + f'  mode http\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:{port} proto h2\n  default_backend b\nbackend b\n  server s 127.0.0.1:{self.origin_h2} proto h2\n']
        else:
            middle = free_port()
            pem = self.certificates()
            confs = [base + f'  mode http\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:{port}\n  default_backend b\nbackend b\n  server s 127.0.0.1:{middle} ssl crt {pem} ca-file {pem} verify required\n',
                     base + f'  mode http\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:{middle} ssl crt {pem} ca-file {pem} verify required\n  default_backend b\nbackend b\n  server s 127.0.0.1:{self.origin}\n']
        started = []
        for i, text in enumerate(confs):
            started.append(self.processes.start(f'haproxy{i}', ['haproxy', '-db', '-f', self.write(f'haproxy{i}.cfg', text)], PROXY_CPU))
        wait_port(port)
        return started, port

    def certificates(self):
        pem = self.path('pair.pem')
        if not os.path.exists(pem):
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=bench',
                            '-keyout', self.path('k.pem'), '-out', self.path('c.pem')], check=True, capture_output=True)
            with open(pem, 'w') as f:
                f.write(open(self.path('c.pem')).read() + open(self.path('k.pem')).read())
        return pem

    def nghttpx(self, scenario):
        if scenario not in ('h2', 'grpc'):
            return None
        port = free_port()
        p = self.processes.start('nghttpx', ['nghttpx', f'--frontend=127.0.0.1,{port};no-tls', f'--backend=127.0.0.1,{self.origin_h2};;proto=h2', '--workers=1',
                                             '--accesslog-file=/dev/null', '--conf=/dev/null', '--single-process'], PROXY_CPU)
        wait_port(port)
        return [p], port

    def envoy(self, scenario):
        binary = os.environ.get('MESH_ENVOY')
        if not binary or scenario in ('pair', 'tcp'):
            return None
        port, h2 = free_port(), scenario in ('h2', 'grpc')
        kind = 'type.googleapis.com/envoy.extensions'
        protocol = {'http2_protocol_options': {}} if h2 else {'http_protocol_options': {}}
        config = {'static_resources': {
            'listeners': [{'address': {'socket_address': {'address': '127.0.0.1', 'port_value': port}}, 'filter_chains': [{'filters': [{
                'name': 'hcm', 'typed_config': {'@type': f'{kind}.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'b', 'codec_type': 'AUTO',
                                                'route_config': {'virtual_hosts': [{'name': 'a', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'o', 'timeout': '0s'}}]}]},
                                                'http_filters': [{'name': 'router', 'typed_config': {'@type': f'{kind}.filters.http.router.v3.Router'}}]}}]}]}],
            'clusters': [{'name': 'o', 'type': 'STATIC', 'typed_extension_protocol_options': {f'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type': f'{kind}.upstreams.http.v3.HttpProtocolOptions', 'explicit_http_config': protocol}},
                'load_assignment': {'cluster_name': 'o', 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'socket_address': {
                    'address': '127.0.0.1', 'port_value': self.origin_h2 if h2 else self.origin}}}}]}]}}]}}
        p = self.processes.start('envoy', [binary, '-c', self.write('envoy.json', json.dumps(config)), '--concurrency', '1', '--disable-hot-restart', '-l', 'error'], PROXY_CPU)
        wait_port(port)
        return [p], port

    def mesh(self, scenario):
        control = self.control_plane()
        ports = self.mesh_ports
        a = self.sidecar('a', '127.0.0.1')
        b = [self.sidecar('b', '127.0.0.2')] if scenario == 'pair' else []
        port = ports[scenario]
        wait_port(port)
        return [a] + b, port

    # -- our own mesh: a control plane on a folder, sidecars without redirection

    def mesh_config(self):
        return 'accessLogFile: /dev/stdout\n'

    def more_config(self):
        return ''

    def control_plane(self):
        if hasattr(self, 'control'):
            return self.control
        folder = self.path('config')
        os.makedirs(folder, exist_ok=True)
        self.mesh_ports = {s: free_port() for s in ('h1', 'pair', 'h2', 'grpc', 'tcp')}
        self.b_port = free_port('127.0.0.2')
        m = self.mesh_ports
        with open(os.path.join(folder, 'bench.yaml'), 'w') as f:
            f.write(f'''apiVersion: v1
kind: Namespace
metadata: {{name: bench}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: origin, namespace: bench}}
spec:
  hosts: [{HOST}]
  ports:
  - {{number: {m['h1']}, name: http, protocol: HTTP}}
  - {{number: {m['h2']}, name: http2, protocol: HTTP2}}
  - {{number: {m['grpc']}, name: grpc, protocol: GRPC}}
  - {{number: {m['tcp']}, name: tcp, protocol: TCP}}
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{http: {self.origin}, http2: {self.origin_h2}, grpc: {self.origin_h2}, tcp: {self.origin}}}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: b, namespace: bench}}
spec:
  hosts: [b.bench.test]
  ports: [{{number: {m['pair']}, name: http, protocol: HTTP, targetPort: {self.b_port}}}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {{labels: {{app: b}}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: b, namespace: bench}}
spec: {{address: 127.0.0.2, serviceAccount: b, labels: {{app: b, security.istio.io/tlsMode: istio}}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: a, namespace: bench}}
spec:
  workloadSelector: {{labels: {{app: a}}}}
  egress:
''')
            for name, protocol in (('h1', 'HTTP'), ('pair', 'HTTP'), ('h2', 'HTTP2'), ('grpc', 'GRPC'), ('tcp', 'TCP')):
                f.write(f'  - {{port: {{number: {m[name]}, protocol: {protocol}, name: {name}}}, bind: 127.0.0.1, captureMode: NONE, hosts: ["bench/*"]}}\n')
            f.write(f'''---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: b, namespace: bench}}
spec:
  workloadSelector: {{labels: {{app: b}}}}
  ingress:
  - {{port: {{number: {self.b_port}, protocol: HTTP, name: http}}, bind: 127.0.0.2, captureMode: NONE, defaultEndpoint: "127.0.0.1:{self.origin}"}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: bench}}
spec: {{mtls: {{mode: STRICT}}}}
{self.more_config()}''')
        return self.start_control_plane(folder)

    def start_control_plane(self, folder):
        self.write('mesh.yaml', self.mesh_config())
        xds, self.http = free_port(), free_port()
        self.xds = f'127.0.0.1:{xds}'
        self.control = self.processes.start('istiod', [self.options.istiod, '--folder', folder, '--state', self.path('state'), '--meshConfig', self.path('mesh.yaml'),
                                                       '--grpcAddr', self.xds, '--secureGrpcAddr', 'none', '--httpAddr', f'127.0.0.1:{self.http}', '--monitoringAddr', 'none'], LOAD_CPU)
        for port in (xds, self.http):
            wait_port(port, seconds=60)
        refused = json.loads(urllib.request.urlopen(f'http://127.0.0.1:{self.http}/debug/refused').read())
        if refused:
            raise RuntimeError(f'refused: {refused}')
        return self.control

    def sidecar(self, name, ip, role='sidecar', labels=None):
        token = subprocess.run([self.options.istiod, 'token', '--state', self.path('state'), '--namespace', 'bench', '--service-account', name], capture_output=True, text=True, check=True).stdout.strip()
        path = self.write(f'{name}.token', token)
        admin, status, ready, prometheus = (free_port() for _ in range(4))
        env = {'POD_NAME': name, 'POD_NAMESPACE': 'bench', 'SERVICE_ACCOUNT': name, 'INSTANCE_IP': ip, 'ISTIO_META_INTERCEPTION_MODE': 'NONE', 'ISTIO_META_WORKLOAD_NAME': name,
               'ISTIO_METAJSON_LABELS': json.dumps({'app': name, **(labels or {})}), 'ISTIO_TOKEN_PATH': path, 'ENVOY_STATUS_PORT': str(ready), 'ENVOY_PROMETHEUS_PORT': str(prometheus),
               'PROXY_CONFIG': json.dumps({'discoveryAddress': self.xds, 'controlPlaneAuthPolicy': 'NONE', 'concurrency': 1, 'proxyAdminPort': admin, 'statusPort': status})}
        began = time.time()
        p = self.processes.start(f'mesh-{name}', [self.options.proxy, 'proxy', role], PROXY_CPU, env)
        wait_port(ready)
        end = time.time() + 20
        while time.time() < end:
            try:
                if urllib.request.urlopen(f'http://127.0.0.1:{ready}/healthz/ready', timeout=1).status == 200:
                    self.ready_ms = (time.time() - began) * 1000
                    return p
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f'{role} {name} is not ready, see {self.work}')

    def pinned(self, seconds):
        """Before a load generator's command. One that runs before everything else must end by itself or be ended."""
        realtime = ['timeout', '-k', '1', str(seconds + 10), 'chrt', '-f', '20'] if self.options.realtime else []
        return realtime + ['taskset', '-c', str(LOAD_CPU)]

    # -- load: returns requests (or gigabits) done

    def load(self, scenario, port):
        seconds = str(self.options.seconds)
        pin = self.pinned(self.options.seconds)
        host = 'b.bench.test' if scenario == 'pair' else HOST
        if scenario in ('h2', 'grpc'):
            call = ['-d', self.message, '-H', 'content-type: application/grpc', '-H', 'te: trailers'] if scenario == 'grpc' else []
            path = 'bench.Echo/Say' if scenario == 'grpc' else 'small'
            out = subprocess.run(pin + ['h2load', '-c8', '-m32', '-t1', '-D', seconds, '-H', f':authority: {HOST}', *call, f'http://127.0.0.1:{port}/{path}'],
                                 capture_output=True, text=True).stdout
            line = next(li for li in out.split('\n') if li.startswith('requests:'))
            done, failed = int(line.split(' done')[0].split()[-1]), int(line.split(' failed')[0].split()[-1])
            return done, failed
        path = 'big' if scenario == 'tcp' else 'small'
        out = subprocess.run(pin + ['wrk', '-t1', '-c4' if scenario == 'tcp' else '-c64', f'-d{seconds}s', '-H', f'Host: {host}', '--latency', f'http://127.0.0.1:{port}/{path}'],
                             capture_output=True, text=True).stdout
        done = next(int(li.split()[0]) for li in out.split('\n') if 'requests in' in li)
        failed = sum(int(li.split(':')[1]) for li in out.split('\n') if 'Non-2xx' in li)
        return (done * 64 * 8 * (1 << 20) / 1e9, failed) if scenario == 'tcp' else (done, failed)

    def start(self, scenario, name):
        """A peer by its name; another build of ours by the name it was given. None: it does not do that."""
        also = dict(pair.split('=', 1) for pair in self.options.also)
        if name not in also:
            return getattr(self, name)(scenario)

        usual, self.options.proxy = self.options.proxy, also[name]
        try:
            return self.mesh(scenario)
        finally:
            self.options.proxy = usual

    def measure(self, scenario, name):
        started = self.start(scenario, name)
        if started is None:
            return None
        processes, port = started
        try:
            pids = [pid for p in processes for pid in family(p.pid)]
            idle = resident_mb(pids)
            if self.options.realtime:
                prefer(pids)
            self.load_once(scenario, port)
            own, kernel = cpu_seconds(pids)
            done, failed = self.load(scenario, port)
            own, kernel = (now - before for now, before in zip(cpu_seconds(pids), (own, kernel)))
            if failed or not done:
                print(f'  {name}: {failed} failed of {done}', file=sys.stderr)
            each = (1e3 if scenario == 'tcp' else 1e6) / max(done, 1e-9)
            return {'cost': (own + kernel) * each, 'own': own * each, 'kernel': kernel * each, 'rate': done / self.options.seconds, 'idle_mb': idle, 'loaded_mb': resident_mb(pids), 'failed': failed}
        finally:
            for p in processes:
                self.processes.stop(p)

    def load_once(self, scenario, port):
        seconds, self.options.seconds = self.options.seconds, 1
        try:
            self.load(scenario, port)
        finally:
            self.options.seconds = seconds


PEERS = ['haproxy', 'nginx', 'nghttpx', 'envoy', 'mesh']
NEEDS = {'haproxy': 'haproxy', 'nginx': 'nginx', 'nghttpx': 'nghttpx'}


def parse(doc, scenarios, peers, seconds, more=lambda parser: None):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--proxy', default=os.path.join(TREE, 'artifacts/bin/mesh-proxy'))
    parser.add_argument('--istiod', default=os.path.join(TREE, 'artifacts/bin/mesh-istiod'))
    parser.add_argument('--scenario', nargs='*', default=scenarios)
    parser.add_argument('--peer', nargs='*', default=peers)
    parser.add_argument('--seconds', type=int, default=seconds)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--also', nargs='*', default=[], metavar='NAME=PATH')
    parser.add_argument('--realtime', action='store_true')
    parser.add_argument('--json')
    parser.add_argument('--keep', action='store_true', help='keep the work folder with logs')
    more(parser)
    return parser.parse_args()


def run(make, options, tell):
    """Measures every peer in interleaved rounds, scenario by scenario; `tell` prints the rounds of one."""
    # Told to end, it ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix='mesh-bench-')
    bench, results = make(options, work), {}
    try:
        for scenario in options.scenario:
            rounds = {}
            for _ in range(options.rounds):
                for name in options.peer + [pair.split('=', 1)[0] for pair in options.also]:
                    if name in NEEDS and not shutil.which(NEEDS[name]):
                        continue
                    if one := bench.measure(scenario, name):
                        rounds.setdefault(name, []).append(one)
            results[scenario] = rounds
            tell(scenario, rounds)
            sys.stdout.flush()
    finally:
        bench.processes.stop_all()
        if options.json:
            with open(options.json, 'w') as f:
                json.dump(results, f, indent=1)
        if options.keep:
            print(work)
        else:
            shutil.rmtree(work, ignore_errors=True)


def failures(rounds):
    failed = sum(r['failed'] for r in rounds)
    return f'   FAILED {failed}' if failed else ''


def tell(scenario, costs):
    unit = 'CPU-ms per gigabit' if scenario == 'tcp' else 'CPU-us per request'
    base = statistics.median(r['cost'] for r in costs['haproxy']) if 'haproxy' in costs else None
    quietest = min(r['cost'] for r in costs['haproxy']) if 'haproxy' in costs else None
    print(f'{scenario}: {unit}; load average {os.getloadavg()[0]:.1f}')
    for name, rounds in costs.items():
        cost = statistics.median(r['cost'] for r in rounds)
        ratio = f"{cost / base:5.2f} x haproxy ({min(r['cost'] for r in rounds) / quietest:.2f} by the quietest rounds)" if base else ''
        print(f"  {name:8} {cost:7.1f} [{min(r['cost'] for r in rounds):.1f}-{max(r['cost'] for r in rounds):.1f}] "
              f"(own {statistics.median(r['own'] for r in rounds):.1f}, kernel {statistics.median(r['kernel'] for r in rounds):.1f}) {ratio}   "
              f"{statistics.median(r['rate'] for r in rounds):9.0f}/s   idle {rounds[-1]['idle_mb']:.0f} MB, loaded {rounds[-1]['loaded_mb']:.0f} MB" + failures(rounds))


if __name__ == '__main__':
    run(Bench, parse(__doc__, ['h1', 'pair', 'h2', 'tcp'], PEERS, 5), tell)
