#!/usr/bin/env python3
"""Compares proxies as TLS-terminating gateways: CPU time of the proxy's processes per request and per handshake, and their memory, in one run on one core.

usage: gateway.py [--proxy PATH] [--istiod PATH] [--scenario NAME ...] [--peer NAME ...] [--seconds 3] [--rounds 3] [--many 1000] [--realtime] [--json FILE]

Scenarios, all over TLS 1.3 with certificates of ECDSA P-256 unless said otherwise; what stands behind is plain HTTP/1.1 with 1 KB answers:
  h1      64 connections, keep-alive, HTTP/1.1
  h2      8 connections of 32 streams, HTTP/2
  new     a full handshake and one request on each connection
  rsa     the same with a certificate of RSA 2048
  resume  a resumed handshake (by ticket) and one request on each connection
  many    as "new", with --many hosts, each with a certificate of its own, called by turns; memory before and after each host was called once

Our gateway runs as it would in a pod: its own control plane gives it certificates and configuration, access log, standard metrics and retries are on. The peers are bare.
Peers that are not installed are left out: nginx, haproxy; Envoy when MESH_ENVOY names its binary. Needs: h2load, openssl, Python's ssl.
The proxy is pinned to CPU 0, load and origin to the last CPU. Rounds are interleaved; the figure is their median. Memory is Pss, so that pages shared by processes count once.
"""
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time

from compare import LOAD_CPU, PROXY_CPU, Bench, cpu_seconds, failures, family, free_port, parse, prefer, run, wait_port

TYPES = 'type.googleapis.com/envoy.extensions'
KEYS = {'ec': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'rsa': ['-newkey', 'rsa:2048']}


def memory_mb(pids):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup') as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith('Pss:'))
    return total / 1024


class Gateways(Bench):
    """The peers in front of the same origin, each with the same certificates."""

    def hosts(self, scenario):
        return [f'h{i}.gateway.test' for i in range(self.options.many if scenario == 'many' else 1)]

    def key_of(self, scenario):
        return 'rsa' if scenario == 'rsa' else 'ec'

    def certificate(self, host, kind):
        """The files of chain, key, and both in one, made once."""
        folder = self.path('certs', kind)
        os.makedirs(folder, exist_ok=True)
        chain, key, both = (os.path.join(folder, host + end) for end in ('.crt', '.key', '.pem'))
        if not os.path.exists(both):
            subprocess.run(['openssl', 'req', '-x509', *KEYS[kind], '-nodes', '-days', '30', '-subj', f'/CN={host}', '-addext', f'subjectAltName=DNS:{host}', '-keyout', key, '-out', chain], check=True, capture_output=True)
            with open(both, 'w') as f:
                f.write(open(chain).read() + open(key).read())
        return chain, key, both

    # -- peers

    def nginx(self, scenario):
        port, servers = free_port(), []
        for host in self.hosts(scenario):
            chain, key, _ = self.certificate(host, self.key_of(scenario))
            servers.append(f'server {{ listen 127.0.0.1:{port} ssl http2; server_name {host}; ssl_certificate {chain}; ssl_certificate_key {key};\n'
                           '  location / { proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-Proto https; } }\n')
        conf = self.write('nginx.conf', f'''user root; worker_processes 1; daemon off; pid {self.path('nginx.pid')}; error_log stderr error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; ssl_protocols TLSv1.2 TLSv1.3; server_names_hash_max_size 4096; server_names_hash_bucket_size 128;
  upstream o {{ server 127.0.0.1:{self.origin}; keepalive 256; keepalive_requests 100000000; }}
  client_body_temp_path {self.path('n1')}; proxy_temp_path {self.path('n2')}; fastcgi_temp_path {self.path('n3')}; uwsgi_temp_path {self.path('n4')}; scgi_temp_path {self.path('n5')};
{''.join(servers)} }}''')
        p = self.processes.start('nginx', ['nginx', '-p', self.work, '-c', conf], PROXY_CPU)
        wait_port(port)
        return [p], port

    def haproxy(self, scenario):
        port = free_port()
        listed = self.write('certs.list', ''.join(self.certificate(host, self.key_of(scenario))[2] + '\n' for host in self.hosts(scenario)))
        text = f'''global
  nbthread 1
  maxconn 4000
  tune.ssl.default-dh-param 2048
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend f
  bind 127.0.0.1:{port} ssl crt-list {listed} alpn h2,http/1.1 ssl-min-ver TLSv1.2
  http-request set-header x-forwarded-proto https
  default_backend b
backend b
  server s 127.0.0.1:{self.origin}
'''
        p = self.processes.start('haproxy', ['haproxy', '-db', '-f', self.write('haproxy.cfg', text)], PROXY_CPU)
        wait_port(port)
        return [p], port

    def envoy(self, scenario):
        binary = os.environ.get('MESH_ENVOY')
        if not binary:
            return None
        port = free_port()
        manager = {'@type': f'{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager', 'stat_prefix': 'b', 'codec_type': 'AUTO',
                   'route_config': {'virtual_hosts': [{'name': 'a', 'domains': ['*'], 'routes': [{'match': {'prefix': '/'}, 'route': {'cluster': 'o', 'timeout': '0s'}}]}]},
                   'http_filters': [{'name': 'router', 'typed_config': {'@type': f'{TYPES}.filters.http.router.v3.Router'}}]}

        def chain(host):
            crt, key, _ = self.certificate(host, self.key_of(scenario))
            return {'filter_chain_match': {'server_names': [host]}, 'filters': [{'name': 'hcm', 'typed_config': manager}],
                    'transport_socket': {'name': 'tls', 'typed_config': {'@type': f'{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext', 'common_tls_context': {
                        'tls_params': {'tls_minimum_protocol_version': 'TLSv1_2', 'tls_maximum_protocol_version': 'TLSv1_3'},
                        'alpn_protocols': ['h2', 'http/1.1'], 'tls_certificates': [{'certificate_chain': {'filename': crt}, 'private_key': {'filename': key}}]}}}}
        config = {'static_resources': {
            'listeners': [{'address': {'socket_address': {'address': '127.0.0.1', 'port_value': port}},
                           'listener_filters': [{'name': 'tls', 'typed_config': {'@type': f'{TYPES}.filters.listener.tls_inspector.v3.TlsInspector'}}],
                           'filter_chains': [chain(host) for host in self.hosts(scenario)]}],
            'clusters': [{'name': 'o', 'type': 'STATIC', 'load_assignment': {'cluster_name': 'o', 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': {'socket_address': {
                'address': '127.0.0.1', 'port_value': self.origin}}}}]}]}}]}}
        p = self.processes.start('envoy', [binary, '-c', self.write('envoy.json', json.dumps(config)), '--concurrency', '1', '--disable-hot-restart', '-l', 'error'], PROXY_CPU)
        wait_port(port)
        return [p], port

    def mesh(self, scenario):
        self.gateway_port = free_port()
        self.control_plane(self.hosts(scenario), self.key_of(scenario))
        p = self.gateway('gateway')
        wait_port(self.gateway_port)
        return [p, self.control], self.gateway_port

    # -- our own: a control plane on a folder of Gateways, VirtualServices and Secrets, one file a host, as users would have them

    def host_yaml(self, host, kind='ec'):
        chain, key, _ = self.certificate(host, kind)
        name = host.split('.')[0]

        def block(path):
            return open(path).read().strip().replace('\n', '\n    ')
        return f'''apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: bench}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: {self.gateway_port}, name: https-{name}, protocol: HTTPS}}
    bind: 127.0.0.1
    hosts: [{host}]
    tls: {{mode: SIMPLE, credentialName: {name}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: bench}}
spec:
  hosts: [{host}]
  gateways: [{name}]
  http: [{{route: [{{destination: {{host: origin.bench.test, port: {{number: 80}}}}}}]}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: bench}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {block(chain)}
  tls.key: |
    {block(key)}
'''

    def control_plane(self, hosts=(), kind='ec'):
        folder = self.path('config')
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, 'origin.yaml'), 'w') as f:
            f.write(f'''apiVersion: v1
kind: Namespace
metadata: {{name: bench}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: origin, namespace: bench}}
spec:
  hosts: [origin.bench.test]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{http: {self.origin}}}}}]
''')
        for host in hosts:
            with open(os.path.join(folder, host + '.yaml'), 'w') as f:
                f.write(self.host_yaml(host, kind))
        return self.start_control_plane(folder)

    def gateway(self, name):
        return self.sidecar(name, '127.0.0.1', role='router', labels={'istio': 'ingressgateway'})

    # -- load: returns what was done, and what failed

    def load(self, scenario, port):
        host = self.hosts(scenario)[0]
        if scenario in ('h1', 'h2'):
            shape = ['--h1', '-c64'] if scenario == 'h1' else ['-c8', '-m32']
            out = subprocess.run(self.pinned(self.options.seconds) + ['h2load', *shape, '-t1', '-D', str(self.options.seconds), f'--connect-to=127.0.0.1:{port}', f'https://{host}:{port}/small'],
                                 capture_output=True, text=True).stdout
            line = next(li for li in out.split('\n') if li.startswith('requests:'))
            ok = next(int(li.split()[2]) for li in out.split('\n') if li.startswith('status codes:'))
            return ok, int(line.split(' failed')[0].split()[-1])
        out = subprocess.run(self.pinned(self.options.seconds) + [sys.executable, os.path.abspath(__file__), 'connections', str(port), str(self.options.seconds), str(int(scenario == 'resume'))],
                             input=' '.join(self.hosts(scenario)), capture_output=True, text=True, check=True).stdout
        made, failed, resumed = (int(word) for word in out.split())
        if resumed != (made if scenario == 'resume' else 0):
            print(f'  {resumed} of {made} connections were resumed', file=sys.stderr)
        return made, failed

    def measure(self, scenario, name):
        started = self.start(scenario, name)
        if started is None:
            return None
        processes, port = started
        try:
            pids = family(processes[0].pid)
            idle = memory_mb(pids)
            if self.options.realtime:
                prefer(pids)
            if scenario == 'many':
                call_each(port, self.hosts(scenario))
            called = memory_mb(pids)
            self.load_once(scenario, port)
            before = sum(cpu_seconds(pids))
            done, failed = self.load(scenario, port)
            spent = sum(cpu_seconds(pids)) - before
            if failed or not done:
                print(f'  {name}: {failed} failed of {done}', file=sys.stderr)
            return {'cost': spent * 1e6 / max(done, 1), 'rate': done / self.options.seconds, 'idle_mb': idle, 'called_mb': called, 'loaded_mb': memory_mb(pids), 'failed': failed}
        finally:
            for p in processes:
                self.processes.stop(p)


# -- the client of handshakes: one connection after the other

def context():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def connect(made, port, host, session=None):
    """One connection, one request. Its session for the next, whether it was resumed, and whether the answer was 200."""
    raw = socket.create_connection(('127.0.0.1', port), 5)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with made.wrap_socket(raw, server_hostname=host, session=session) as s:
        s.sendall(f'GET /small HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'.encode())
        text = b''
        try:
            while more := s.recv(16384):
                text += more
        except ssl.SSLEOFError:
            pass  # ends without goodbye
        return s.session, s.session_reused, text.startswith(b'HTTP/1.1 200') and text.endswith(b'x' * 1024)


def call_each(port, hosts):
    made = context()
    for host in hosts:
        _, _, ok = connect(made, port, host)
        if not ok:
            raise RuntimeError(f'{host} does not answer')


def connections(port, seconds, resumes):
    hosts, made, done, failed, resumed, session = sys.stdin.read().split(), context(), 0, 0, 0, None
    if resumes:
        session = connect(made, port, hosts[0])[0]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            _, reused, ok = connect(made, port, hosts[done % len(hosts)], session)
            resumed += reused
            failed += not ok
        except OSError:
            failed += 1
        done += 1
    print(done, failed, resumed)


PEERS = ['nginx', 'haproxy', 'envoy', 'mesh']


def tell(scenario, rounds):
    print(f"{scenario}: CPU-us per {'request' if scenario in ('h1', 'h2') else 'connection'}; load average {os.getloadavg()[0]:.1f}")
    base = statistics.median(one['cost'] for one in rounds['nginx']) if 'nginx' in rounds else None
    for name, ones in rounds.items():
        costs = [one['cost'] for one in ones]
        cost = statistics.median(costs)
        print(f"  {name:8} {cost:7.1f} [{min(costs):.1f}-{max(costs):.1f}] {f'{cost / base:5.2f} x nginx' if base else ''}   {1e6 / cost:7.0f} per CPU-second   {statistics.median(one['rate'] for one in ones):7.0f}/s   "
              f"{ones[-1]['idle_mb']:.0f} MB idle, {ones[-1]['called_mb']:.0f} called, {ones[-1]['loaded_mb']:.0f} loaded" + failures(ones))


if __name__ == '__main__':
    if sys.argv[1:2] == ['connections']:
        connections(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == '1')
    else:
        run(Gateways, parse(__doc__, ['h1', 'h2', 'new', 'rsa', 'resume', 'many'], PEERS, 3, lambda parser: parser.add_argument('--many', type=int, default=1000)), tell)
