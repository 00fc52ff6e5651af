#!/usr/bin/python3
"""Runs behaviour cases against a mesh.

  runner.py list  [CASE...]
  runner.py record CASE... --adapter X [--opt k=v]        fill `expect:` in place from what really happens (each case twice)
  runner.py check  CASE... --adapter X     [--json]       compare; exit 1 on a mismatch

CASE is a file or a folder. See SCHEMA.md for the format and README.md for what the machine needs.
"""
import argparse
import base64
import copy
import fnmatch
import importlib
import importlib.util
import json
import math
import os
import re
import signal
import sys
import tempfile
import time
from urllib.parse import urlsplit

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from rig import Rig, load                                                         # noqa: E402

DEFAULT_CHECK = ['status', 'pod', 'flags']
SERVERS = {'ingress': 'ingress', 'egress': 'egress'}
SIGMA = 4.5


def cases_of(paths):
    found = []
    for p in paths or [os.path.join(HERE, 'cases')]:
        if os.path.isdir(p):
            for d, _, files in sorted(os.walk(p)):
                found += [os.path.join(d, f) for f in sorted(files) if f.endswith('.yaml')]
        else:
            found.append(p)
    return found


def adapter_module(name):
    """adapters/NAME.py, or any file: --adapter path/to/my_mesh.py"""
    if not name.endswith('.py'):
        return importlib.import_module(f'adapters.{name}')
    spec = importlib.util.spec_from_file_location('adapter_under_test', name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def paused():
    return os.path.exists(os.environ.get('RIG_PAUSE') or '/nonexistent')


def merge(a, b):
    out = dict(a)
    for k, v in (b or {}).items():
        out[k] = merge(out[k], v) if isinstance(v, dict) and isinstance(out.get(k), dict) else v
    return out


def seconds(v, default=None):
    if v is None:
        return default
    if isinstance(v, (int, float)):
        return float(v)
    total = 0.0
    for n, u in re.findall(r'([0-9.]+)\s*(ms|s|m|us|h)?', str(v)):
        total += float(n) * {'ms': 1e-3, 'us': 1e-6, 's': 1, 'm': 60, 'h': 3600, '': 1}[u]
    return total


# --------------------------------------------------------------------------- placing calls

class Caller:
    """Turns the calls of a step into jobs for the agent in a pod."""

    def __init__(self, rig):
        self.rig = rig

    def address(self, target):
        if target in self.rig.pods:
            return self.rig.pods[target]['ip']
        zone = {k: v[0] for k, v in self.rig.zone().items() if v}
        for name in (target, f'{target}.svc.cluster.local', f'{target}.cluster.local'):
            if name in zone:
                return zone[name]
        return str(target)

    def material(self, v, kind):
        """A certificate, key or CA given as text or as a file."""
        if '-----BEGIN' not in str(v):
            for base in (self.rig.path('certs'), HERE, os.path.join(HERE, 'base')):
                if os.path.exists(os.path.join(base, str(v))):
                    return os.path.join(base, str(v))
            return str(v)
        path = self.rig.path('scratch', f'{kind}-{abs(hash(v))}.pem')
        with open(path, 'w') as f:
            f.write(v)
        os.chmod(path, 0o644)
        return path

    def http(self, call, case_id):
        url, argv = str(call['url']), []
        u = urlsplit(url)
        port = u.port or (443 if u.scheme == 'https' else 80)
        headers = {}
        for k, v in (call.get('headers') or {}).items():
            headers[str(k)] = v if isinstance(v, list) else [v]
        grpc = call.get('grpc')
        version = str(call.get('http', '2' if grpc else '1.1'))
        if version == '2':
            argv.append('--http2' if u.scheme == 'https' else '--http2-prior-knowledge')
        else:
            argv.append({'1.0': '--http1.0'}.get(version, '--http1.1'))
        limit = seconds(call.get('timeout'), 15.0)
        argv += ['--max-time', f'{limit:g}', '--path-as-is', '-g']
        host = u.hostname or ''
        if call.get('sni') and call['sni'] != host:
            headers.setdefault('Host', [call.get('host') or (host if u.port is None else f'{host}:{port}')])
            url = url.replace(u.netloc, f"{call['sni']}:{port}", 1)
            host = call['sni']
        elif call.get('host'):
            headers.setdefault('Host', [call['host']])
        if call.get('resolve-to'):
            argv += ['--connect-to', f"::{self.address(call['resolve-to'])}:{call.get('port', port)}"]
        if u.scheme == 'https':
            if call.get('ca'):
                argv += ['--cacert', self.material(call['ca'], 'ca')]
            else:
                argv.append('-k')
            if call.get('cert'):
                argv += ['--cert', self.material(call['cert'], 'cert')]
            if call.get('key'):
                argv += ['--key', self.material(call['key'], 'key')]
            if call.get('tls-min'):
                argv.append(f"--tlsv{call['tls-min']}")
            for flag in ('tls-max', 'ciphers'):
                if call.get(flag):
                    argv += [f'--{flag}', str(call[flag])]
        body = call.get('body')
        data = b''
        method = call.get('method') or ('POST' if grpc or body else 'GET')
        if grpc:
            text = str(body or '').encode()
            message = b'\x0a' + bytes([len(text)]) + text if text and len(text) < 128 else b''
            data = b'\x00' + len(message).to_bytes(4, 'big') + message
            lower = {k.lower() for k in headers}
            if 'content-type' not in lower:
                headers['content-type'] = ['application/grpc']
            if 'te' not in lower:
                headers['te'] = ['trailers']
        elif body not in (None, ''):
            data = str(body).encode()
            if 'content-type' not in {k.lower() for k in headers}:
                headers['content-type'] = ['text/plain']
        if version == '2' and (data or grpc):
            return {'h2': self.http2(call, u, method, headers, data, case_id, limit)}
        if method == 'HEAD':
            argv.append('-I')
        else:
            argv += ['-X', method]
        if data or grpc:
            argv += ['--data-binary', '@-']
            if version == '1.1':
                headers.setdefault('Expect', [None])
        if case_id and not any(k.lower() == 'x-case-id' for k in headers):
            headers['x-case-id'] = [case_id]
        for k, vs in headers.items():
            for v in vs:
                text = '' if v is None else ('true' if v is True else 'false' if v is False else str(v))
                argv += ['-H', f'{k}:' if v is None else (f'{k};' if text == '' else f'{k}: {text}')]
        argv.append(url)
        return {'argv': argv, 'stdin': base64.b64encode(data).decode(), 'limit': limit + 5}

    def http2(self, call, u, method, headers, data, case_id, limit):
        port = u.port or (443 if u.scheme == 'https' else 80)
        path = (u.path or '/') + (f'?{u.query}' if u.query else '')
        default = u.hostname if port == {'http': 80, 'https': 443}[u.scheme] else f'{u.hostname}:{port}'
        given = {k.lower(): [str(x) for x in v] for k, v in headers.items() if v != [None]}
        authority = (given.pop('host', None) or [default])[0]
        rows = [(':method', method), (':scheme', u.scheme), (':authority', authority), (':path', path)]
        given.setdefault('user-agent', ['curl/0'])
        given.setdefault('accept', ['*/*'])
        if case_id:
            given.setdefault('x-case-id', [case_id])
        rows += [(k, x) for k, v in given.items() for x in v if k != 'expect']
        out = {'headers': rows, 'body': base64.b64encode(data).decode(), 'timeout': limit, 'tls': u.scheme == 'https', 'sni': call.get('sni') or u.hostname,
               'addr': self.address(call.get('resolve-to') or u.hostname), 'port': int(call.get('port', port))}
        for k in ('ca', 'cert', 'key'):
            if call.get(k):
                out[k] = self.material(call[k], k)
        return out

    def tcp(self, tcp):
        host, _, port = str(tcp['to']).rpartition(':')
        send = str(tcp.get('send', ''))
        call = {'host': host, 'addr': self.address(tcp.get('resolve-to') or host), 'port': int(port),
                'send': base64.b64encode(send.encode()).decode(), 'read': int(tcp.get('read', 0)), 'timeout': seconds(tcp.get('timeout'), 5.0)}
        if tcp.get('tls') or tcp.get('sni'):
            call['tls'], call['sni'] = True, tcp.get('sni')
            if tcp.get('alpn'):
                call['alpn'] = tcp['alpn']
            if tcp.get('cert'):
                call['cert'], call['key'] = self.material(tcp['cert'], 'cert'), self.material(tcp['key'], 'key')
        if tcp.get('hold'):
            call['hold'] = seconds(tcp['hold'])
        return call


# --------------------------------------------------------------------------- access log

LOG = re.compile(
    r'^\[(?P<start>[^\]]*)\] "(?P<method>\S*) (?P<path>.*?) (?P<protocol>\S*)" (?P<code>\S+) (?P<flags>\S+) (?P<details>\S+) (?P<term>\S+) "(?P<fail>.*?)" '
    r'(?P<rx>\S+) (?P<tx>\S+) (?P<duration>\S+) (?P<ust>\S+) "(?P<xff>.*?)" "(?P<ua>.*?)" "(?P<rid>.*?)" "(?P<authority>.*?)" "(?P<upstream>.*?)" '
    r'(?P<cluster>\S+) (?P<ulocal>\S+) (?P<dlocal>\S+) (?P<dremote>\S+) (?P<sni>\S+) (?P<route>\S+)')


def volatile(text):
    """Addresses' ephemeral ports and the like out of a log field."""
    return re.sub(r'(10\.77\.0\.\d+|127\.0\.0\.\d+):(3[2-9]|4|5|6)\d{3,4}\b', r'\1:*', text)


def entry(line):
    m = LOG.match(line)
    if not m:
        return None
    g = m.groupdict()
    tcp = g['method'] == '-' and g['path'] == '-' and g['protocol'] == '-'
    out = {'code': int(g['code']) if g['code'].isdigit() else g['code'], 'flags': g['flags']}
    if tcp:
        out.pop('code')
        out = {'tcp': True, **out}
    for k in ('details', 'term', 'cluster', 'route', 'authority', 'sni'):
        if g[k] not in ('-', ''):
            out[k] = volatile(g[k])
    if g['fail'] not in ('-', ''):
        out['fail'] = re.sub(r'\|?\d{6,}:?', '', volatile(g['fail'])).strip(':|') or 'yes'
    if tcp:
        out['rx'] = 0 if g['rx'] == '0' else '>0'
        out['tx'] = 0 if g['tx'] == '0' else '>0'
    return out


# --------------------------------------------------------------------------- observing

VOLATILE = {'x-request-id', 'traceparent', 'tracestate', 'b3', 'date', 'x-envoy-upstream-service-time', 'x-envoy-expected-rq-timeout-ms', 'etag',
            'last-modified', 'content-length', 'sec-websocket-accept', 'x-envoy-peer-metadata', 'x-envoy-peer-metadata-id', 'x-cloud-trace-context'}


def tame(headers, keep_length=False, sent=None):
    out, sent = {}, {str(k).lower(): str(v) for k, v in (sent or {}).items()}
    for k, vs in headers.items():
        k = k.lower()
        if k == 'x-case-id':
            continue
        v = ','.join(vs) if isinstance(vs, list) else str(vs)
        if (k in VOLATILE or k in ('x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid')) and not (keep_length and k == 'content-length'):
            trace = re.match(r'^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$', v) if k == 'traceparent' else None
            if v and v == sent.get(k):
                v = 'as sent'
            elif trace:
                same = 'same trace' if trace.group(1) in sent.get(k, '') else 'new trace'
                v = f'{same}, new span, flags {trace.group(3)}'
            elif k == 'b3' and v.count('-') >= 2:
                v = f"{'same trace' if v.split('-')[0] == sent.get(k, '').split('-')[0] else 'new trace'}, new span, sampled {v.split('-')[2]}"
            elif k == 'x-b3-parentspanid' and v == sent.get('x-b3-spanid'):
                v = 'span id as sent'
            else:
                v = 'present'
        elif k == 'x-forwarded-client-cert':
            v = re.sub(r'((?:Cert|Chain)=)"[^"]*"', r'\1*', re.sub(r'Hash=[0-9a-f]{64}', 'Hash=*', v))
        elif k == 'user-agent':
            v = re.sub(r'^curl/.*', 'curl/*', v)
        elif k == 'set-cookie':
            v = re.sub(r'=("?)[0-9a-zA-Z+/=_-]{8,}\1', '=*', v, count=1)
        else:
            v = volatile(v)
        out[k] = v
    return out


class Observation:
    def __init__(self):
        self.calls, self.logs, self.attempts, self.connections, self.candidates, self.stats = [], {}, {}, {}, {}, {}


def echo_document(r):
    raw = base64.b64decode(r['body'])
    if dict(r['headers']).get('content-type', '').startswith('application/grpc') and len(raw) > 5:
        try:
            n, i = 0, 6
            shift = 0
            while True:
                b = raw[i]
                n |= (b & 0x7f) << shift
                shift += 7
                i += 1
                if not b & 0x80:
                    break
            raw = raw[i:i + n]
        except IndexError:
            return None
    try:
        d = json.loads(raw)
        return d if isinstance(d, dict) and 'pod' in d and 'protocol' in d else None
    except ValueError:
        return None


class Session:
    def __init__(self, adapter, rig):
        self.adapter, self.rig, self.caller, self.serial = adapter, rig, Caller(rig), 0
        self.base_mesh = load(os.path.join(HERE, 'base', 'mesh.yaml'))
        self.verbose, self.refusals = False, {}

    def pause(self):
        """While the file named by RIG_PAUSE exists, nothing of ours uses the processor."""
        if not paused():
            return
        for p in self.rig.procs.values():
            os.killpg(p.pid, signal.SIGSTOP)
        while paused():
            time.sleep(0.2)
        for p in self.rig.procs.values():
            os.killpg(p.pid, signal.SIGCONT)
        time.sleep(0.5)
        self.settle()

    def names_of(self, config):
        """Hosts of a case's ServiceEntries and gateways resolve as if public; .svc names of extra Services to their address."""
        extra = {}
        try:
            for o in yaml.safe_load_all(config or ''):
                if isinstance(o, dict) and o.get('kind') == 'Service':
                    ip = (o.get('spec') or {}).get('clusterIP')
                    if ip and ip != 'None':
                        extra[f"{o['metadata']['name']}.{o['metadata'].get('namespace', 'default')}.svc.cluster.local"] = [ip]
                if isinstance(o, dict) and o.get('kind') == 'ServiceEntry':
                    for h in (o.get('spec') or {}).get('hosts') or []:
                        a = [x for x in (o['spec'].get('addresses') or []) if re.match(r'^[0-9.]+$', str(x))]
                        if a:
                            extra[h] = a[:1]
        except yaml.YAMLError:
            pass
        return extra

    def run(self, case, run):
        """One pass over a case. Returns ({step name: Observation}, refused list)."""
        self.adapter.set_mesh(merge(self.base_mesh, case.get('mesh')))
        applied, observed, refused = [], {}, []
        stopped, self.refusals = set(), {}
        try:
            refused += self.change(case.get('config'), applied)
            self.rig.write_zone(self.names_of(case.get('config')))
            self.settle()
            for step in case['steps']:
                name = step['name']
                if 'delete' in step:
                    self.adapter.delete(step['delete'])
                if 'apply' in step:
                    bad = self.change(step['apply'], applied)
                    if bad:
                        observed[name] = Observation()
                        observed[name].refused = bad
                if 'apply' in step or 'delete' in step:
                    self.settle()
                for act in self.acts(step.get('do')):
                    self.act(*act, stopped)
                if 'call' in step or 'tcp' in step:
                    refused_here = getattr(observed.get(name), 'refused', None)
                    observed[name] = self.observe(case, step, run)
                    if refused_here:
                        observed[name].refused = refused_here
        finally:
            for pod in list(stopped):
                self.act('start-pod', pod, stopped)
            for text in reversed(applied):
                self.adapter.delete(text)
            self.restore(applied)
            self.settle(drain=False)
        return observed, refused

    def settle(self, **kw):
        try:
            self.adapter.settle(**kw)
        except TypeError:
            self.adapter.settle()
        self.refusals.update(getattr(self.adapter, 'errors', None) or {})

    def restore(self, applied):
        """A case may have replaced objects of the fixed topology: put those back."""
        touched = set()
        for text in applied:
            for o in yaml.safe_load_all(text):
                if isinstance(o, dict):
                    touched.add((o.get('kind'), o['metadata'].get('namespace'), o['metadata']['name']))
        again = [o for o in self.rig.kubernetes if (o['kind'], o['metadata'].get('namespace'), o['metadata']['name']) in touched]
        if again:
            self.adapter.apply(yaml.safe_dump_all(again))

    def change(self, text, applied):
        if not text or not str(text).strip():
            return []
        results = self.adapter.apply(text)
        applied.append(text)
        return [{'object': r['object'], 'message': r.get('message', '')} for r in results if r['action'] in ('rejected', 'error')]

    @staticmethod
    def acts(do):
        if not do:
            return []
        if isinstance(do, str):
            parts = do.split(None, 1)
            return [(parts[0], parts[1] if len(parts) > 1 else None)]
        if isinstance(do, dict):
            return list(do.items())
        return [a for d in do for a in Session.acts(d)]

    def act(self, what, arg, stopped):
        pods = arg if isinstance(arg, list) else [arg]
        if what == 'wait':
            time.sleep(min(60, seconds(arg)))
        elif what == 'stop-pod':                       # application and proxy die; the endpoints stay
            for pod in pods:
                self.adapter.stop_sidecar(pod)
                self.rig.stop(f'app-{pod}')
                stopped.add(pod)
        elif what == 'stop-app':
            for pod in pods:
                self.rig.stop(f'app-{pod}')
                stopped.add(pod)
        elif what in ('start-pod', 'start-app'):
            for pod in pods:
                self.rig.start_app(pod)
                if self.rig.listens(pod):
                    self.rig.wait_socket(self.rig.path('side', f'app-{pod}'))
                if self.rig.pods[pod]['kind'] in ('sidecar', 'gateway') and f'proxy-{pod}' not in self.rig.procs:
                    self.adapter.start_sidecar(pod)
                stopped.discard(pod)
        elif what in ('remove-endpoint', 'restore-endpoint', 'unready', 'ready'):   # the pod leaves or enters its services' endpoints
            for pod in pods:
                self.endpoint(pod, what in ('restore-endpoint', 'ready'))
            self.settle()
        elif what == 'restart-sidecar':
            for pod in pods:
                self.adapter.stop_sidecar(pod)
                self.adapter.start_sidecar(pod)
        else:
            raise ValueError(f'unknown action {what!r}')

    def endpoint(self, pod, there):
        ip, changed = self.rig.pods[pod]['ip'], []
        for o in self.rig.kubernetes:
            if o['kind'] == 'EndpointSlice' and any(e['addresses'] == [ip] for e in o['endpoints']):
                o = copy.deepcopy(o)
                for e in o['endpoints']:
                    if e['addresses'] == [ip]:
                        e['conditions'] = {'ready': there, 'serving': there, 'terminating': False}
                changed.append(o)
        self.adapter.apply(yaml.safe_dump_all(changed))

    def observe(self, case, step, run):
        o = Observation()
        source = step.get('from', 'client')
        repeat, parallel = int(step.get('repeat', 1)), int(step.get('parallel', 1))
        self.serial += 1
        case_id = f'c{self.serial}.{run}.@N@'
        logs = {pod: self.adapter.access_log(pod) for pod in self.rig.pods}
        logs = {pod: p for pod, p in logs.items() if p and os.path.exists(p)}
        marks = {pod: os.path.getsize(p) for pod, p in logs.items()}
        before = {pod: self.rig.side(pod) for pod in self.rig.pods}
        kind = 'tcp' if 'tcp' in step else 'http'
        call = self.caller.tcp(step['tcp']) if kind == 'tcp' else self.caller.http(step['call'], case_id)
        o.calls = self.rig.place(source, {'kind': kind, 'call': call, 'repeat': repeat, 'parallel': parallel, 'between': seconds(step.get('between'), 0)})
        o.kind = kind
        # access logs arrive a moment later; wait until they stop growing
        size, still, waited = None, 0, 0.0
        while still < 3 and waited < 3:
            time.sleep(0.05)
            waited += 0.05
            now = sum(os.path.getsize(p) for p in logs.values())
            still = still + 1 if now == size else 0
            size = now
        for pod, p in logs.items():
            with open(p, 'rb') as f:
                f.seek(marks[pod])
                o.logs[pod] = [x for x in f.read().decode('utf-8', 'replace').split('\n') if x.strip()]
        for pod in self.rig.pods:
            after = self.rig.side(pod)
            ids = {k: v - before[pod]['attempts'].get(k, 0) for k, v in after['attempts'].items()}
            own = str({str(k).lower(): v for k, v in (step.get('call', {}).get('headers') or {}).items()}.get('x-case-id', ''))
            n = sum(v for k, v in ids.items() if k.startswith(case_id[:-3]) or k == own or (kind == 'tcp' and k == '-'))
            if n > 0:
                o.attempts[pod] = n
            conns = sum(v - before[pod]['connections'].get(k, 0) for k, v in after['connections'].items())
            if conns > 0:
                o.connections[pod] = conns
        if repeat < 8 and {'pod', 'attempts'} & set(step.get('check', DEFAULT_CHECK)):
            for chooser in {source, 'ingress', 'egress'}:
                for line in o.logs.get(chooser, []):
                    e = entry(line)
                    if e and e.get('cluster'):
                        hosts = self.adapter.pods_of(chooser, e['cluster'])
                        if hosts:
                            o.candidates[e['cluster']] = hosts
        if any(c.startswith('stats') for c in step.get('check', [])):
            o.stats = self.adapter.stats(source)
        return o

# --------------------------------------------------------------------------- summarising


def status_of(c, step):
    """The HTTP status; 000 and a word where there was none; a word beside the status where the answer broke off."""
    if 'tcp' in step:
        return 'closed' if c['status'] == 'reset' else c['status']      # which of the two is a race
    if c['exit'] == 0:
        return int(c['code'])
    word = {6: 'name', 7: 'refused', 28: 'timeout', 60: 'certificate', 51: 'certificate'}.get(c['exit'])
    if not word and c['exit'] in (16, 18, 35, 52, 55, 56, 92):
        word = 'cut' if c['code'] != '000' else 'tls' if str(step['call']['url']).startswith('https') and c['exit'] in (35, 52, 55, 56) else 'closed'
    return f"{c['code']} ({word or c['exit']})"


def count(values):
    out = {}
    for v in values:
        out[v] = out.get(v, 0) + 1
    return dict(sorted(out.items(), key=lambda kv: str(kv[0])))


def pods_seen(rig, o):
    if o.kind == 'tcp':
        out = []
        for pod, n in o.connections.items():
            out += [pod] * n
        return out
    out = []
    for c in o.calls:
        h = dict(c['headers'])
        if 'x-pod' in h:
            out.append(h['x-pod'])
    return out


def facets(rig, step, o):
    """What one run says, per checked thing."""
    f = {'status': count(status_of(c, step) for c in o.calls), 'pod': count(pods_seen(rig, o)), 'attempts': dict(o.attempts)}
    f['elapsed'] = [c['time'] for c in o.calls]
    source = step.get('from', 'client')
    flags = {}
    for pod, lines in o.logs.items():
        role = 'caller' if pod == source else SERVERS.get(pod, 'server')
        for line in lines:
            e = entry(line)
            if e is None:
                e = {'unparsed': line[:200]}
            flags.setdefault(role, []).append(json.dumps(e, sort_keys=True))
    f['flags'] = {role: count(v) for role, v in flags.items()}
    f['log'] = {('caller' if pod == source else SERVERS.get(pod, 'server')): lines for pod, lines in o.logs.items() if lines}
    if o.kind == 'tcp':
        f['body'] = [base64.b64decode(c['body']).decode('utf-8', 'replace') for c in o.calls]
        return f
    f['grpc-status'] = count(str({**dict(c['headers']), **dict(c['trailers'])}.get('grpc-status', 'none')) for c in o.calls)
    f['grpc-message'] = count(str({**dict(c['headers']), **dict(c['trailers'])}.get('grpc-message', 'none')) for c in o.calls)
    f['protocol'] = count(c['version'] for c in o.calls)
    docs = [echo_document(c) for c in o.calls]
    f['documents'] = [d for d in docs if d]
    f['body'] = ['echo' if d else base64.b64decode(c['body']).decode('utf-8', 'replace') for d, c in zip(docs, o.calls)]
    f['errors'] = count(c['error'] for c in o.calls if c['error'])
    f['response'] = []
    for c, d in zip(o.calls, docs):
        h = {}
        for k, v in c['headers']:
            h.setdefault(k, []).append(v)
        f['response'].append(tame(h, keep_length=not d))
    return f


def settle_counts(runs, n, exact_small=True):
    """Counts by category over runs: exact where stable, `~mean` where it is chance."""
    keys = sorted({k for r in runs for k in r}, key=str)
    if all(r == runs[0] for r in runs) and (n < 20 or len(keys) <= 1 and sum(runs[0].values()) in (0, n)):
        return dict(runs[0])
    return {k: f"~{sum(r.get(k, 0) for r in runs) / len(runs):g}" for k in keys}


def shorten(text):
    return text if len(text) <= 400 else f'{len(text)} bytes, begins: ' + text[:120]


def one(values):
    """A single value where all agree; else the few that occur."""
    distinct = []
    for v in values:
        if v not in distinct:
            distinct.append(v)
    if not distinct:
        return None
    if len(distinct) == 1:
        return distinct[0]
    if len(distinct) <= 4 and all(isinstance(v, (str, int)) for v in distinct):
        return {'one-of': sorted(distinct, key=str)}
    return 'varies'


def span(times):
    lo, hi = min(times), max(times)
    low = 0 if lo < 0.35 else math.floor(lo * 0.92 * 20) / 20
    high = max(1.0, hi * 1.25 + 0.7)
    return f'{low:g}s..{math.ceil(high * 10) / 10:g}s'


def headers_over(all_headers):
    out = {}
    names = []
    for h in all_headers:
        names += [k for k in h if k not in names]
    for k in sorted(names):
        present = [h[k] for h in all_headers if k in h]
        v = one(present)
        if len(present) < len(all_headers):
            v = 'sometimes' if v == 'varies' or isinstance(v, dict) or v == 'present' else {'sometimes': v}
        out[k] = v
    return out


def expectation(rig, step, observations, case_pods=None):
    """Fold the observations of several runs into an `expect:`."""
    checks = step.get('check', DEFAULT_CHECK)
    runs = [facets(rig, step, o) for o in observations]
    n, kind = int(step.get('repeat', 1)), observations[0].kind
    sent = (step.get('call') or {}).get('headers')
    e = {}
    for c in checks:
        if c == 'status':
            e['status'] = settle_counts([r['status'] for r in runs], n)
        elif c == 'pod':
            seen = sorted({p for r in runs for p in r['pod']})
            if not seen:
                e['pod'] = 'none'
                continue
            if n < 8:
                ip = {p['ip']: name for name, p in rig.pods.items()}
                could = set(seen)
                chance = False
                for o in observations:
                    for hosts in o.candidates.values():
                        names = {ip.get(h, h) for h in hosts}
                        if len(names) > 1:
                            chance = True
                            could |= names
                stable = all(r['pod'] == runs[0]['pod'] for r in runs)
                if len(seen) == 1 and sum(sum(r['pod'].values()) for r in runs) >= 12:      # too often for chance
                    chance = False
                if (chance or not stable) and len(could) > 1:
                    e['pod'] = {'any-of': sorted(could)}
                else:
                    e['pod'] = dict(runs[0]['pod'])
            elif all(len(r['pod']) == 1 for r in runs) and len(seen) > 1:
                e['pod'] = {'always-one-of': seen}
            else:
                e['pod'] = settle_counts([r['pod'] for r in runs], n if len(seen) == 1 else max(n, 20))
        elif c == 'attempts':
            totals = [sum(r['attempts'].values()) for r in runs]
            chance = any(len(set(hosts)) > 1 for o in observations for hosts in o.candidates.values())
            if not chance and all(r['attempts'] == runs[0]['attempts'] for r in runs) and len(runs[0]['attempts']) <= 1:
                e['attempts'] = dict(runs[0]['attempts']) or 0
            elif len(set(totals)) == 1:
                e['attempts'] = {'total': totals[0]}
            else:
                e['attempts'] = {'total': f"~{sum(totals) / len(totals):g}"}
        elif c == 'elapsed':
            e['elapsed'] = span([t for r in runs for t in r['elapsed']])
        elif c in ('grpc-status', 'grpc-message', 'protocol') and kind == 'http':
            e[c] = settle_counts([r[c] for r in runs], n)
        elif c == 'body':
            e['body'] = one([shorten(volatile(b)) for r in runs for b in r['body']])
        elif c == 'flags':
            e['flags'] = flags_over(runs, n)
        elif c == 'upstream' or c.startswith('upstream.'):
            docs = [d for r in runs for d in r.get('documents', [])]
            up = e.setdefault('upstream', {})
            if not docs:
                e['upstream'] = 'none reached'
                continue
            if up == 'none reached':
                continue
            parts = c.split('.', 2)[1:] or ['method', 'path', 'authority', 'protocol', 'headers']
            if parts[0] == 'headers' and len(parts) == 2:
                hs = headers_over([{k: v for k, v in tame(d['headers'], True, sent).items() if k == parts[1].lower()} for d in docs])
                up.setdefault('headers', {})[parts[1].lower()] = hs.get(parts[1].lower(), 'absent')
            else:
                for part in parts:
                    if part == 'headers':
                        up['headers'] = headers_over([tame(d['headers'], sent=sent) for d in docs])
                    elif part == 'tls':
                        up['tls'] = one([json.dumps(d.get('tls', {}), sort_keys=True) for d in docs])
                    else:
                        up[part] = one([d.get(part, '') for d in docs])
        elif c == 'response' or c.startswith('response.'):
            parts = c.split('.', 2)[1:]
            rs = [h for r in runs for h in r.get('response', [])]
            tgt = e.setdefault('response', {}).setdefault('headers', {})
            if len(parts) == 2:
                k = parts[1].lower()
                tgt[k] = headers_over([{x: v for x, v in h.items() if x == k} for h in rs]).get(k, 'absent')
            else:
                hs = headers_over(rs)
                hs.pop('x-pod', None)
                tgt.update(hs)
        elif c.startswith('stats'):
            pass
        elif c == 'log':
            roles = sorted({role for r in runs for role in r['log']})
            e['log'] = {role: sorted({mask_log(x) for r in runs for x in r['log'].get(role, [])})[:6] for role in roles}
        else:
            e[c] = 'unknown check'
    refused = [getattr(o, 'refused', None) for o in observations if getattr(o, 'refused', None)]
    if refused:
        e['refused'] = refused[0]
    return e


def mask_log(line):
    m = LOG.match(line)
    if m:
        for k in ('ust', 'duration', 'tx', 'rx'):
            if m.group(k).isdigit() and (k in ('ust', 'duration') or int(m.group(k)) > 100):
                line = line[:m.start(k)] + 'N' + line[m.end(k):]
    line = re.sub(r'\d{4}-\d\d-\d\dT[\d:.]+Z', 'TIME', line)
    line = re.sub(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'UUID', line)
    line = re.sub(r'"(duration|bytes_sent)":[0-9]{1,6}\b', lambda m: f'"{m.group(1)}":N' if m.group(1) == 'duration' or int(m.group(0).split(':')[1]) > 100 else m.group(0), line)
    line = re.sub(r'"upstream_service_time":"\d+"', '"upstream_service_time":"N"', line)
    return volatile(line)


def flags_over(runs, n):
    out = {}
    for role in ('caller', 'ingress', 'egress', 'server'):
        per = [r['flags'].get(role, {}) for r in runs]
        if not any(per):
            continue
        rows = []
        for key in sorted({k for p in per for k in p}):
            counts = [p.get(key, 0) for p in per]
            row = json.loads(key)
            order = ['tcp', 'code', 'flags', 'details', 'term', 'fail', 'cluster', 'route', 'authority', 'sni', 'rx', 'tx', 'unparsed']
            row = {k: row[k] for k in order if k in row}
            if role == 'caller' or role in ('ingress', 'egress'):
                stable = len(set(counts)) == 1 and (counts[0] == n or n < 20)
                row = {'n': counts[0] if stable else f'~{sum(counts) / len(counts):g}', **row}
            elif 0 in counts or row.get('flags') == 'DC' and row.get('code'):    # the latter: an answer and a hang-up at once, a race
                row = {'n': 'sometimes', **row}
            rows.append(row)
        out[role] = rows
    return out or 'none'

# --------------------------------------------------------------------------- comparing


def near(expected, got, n):
    """Is a count of n trials compatible with a recorded mean?"""
    mean = float(str(expected).lstrip('~'))
    p = min(1.0, max(0.0, mean / n)) if n else 0
    return abs(got - mean) <= SIGMA * math.sqrt(max(n * p * (1 - p), 0.25) * 1.5) + 1.0


def compare_counts(what, expected, got, n, diffs):
    if not isinstance(expected, dict):
        if got and expected in ('none', 0):
            diffs.append(f'{what}: expected {expected}, got {got}')
        return
    expected = {str(k): v for k, v in expected.items()}
    got = {str(k): v for k, v in got.items()}
    for k in sorted(set(expected) | set(got)):
        want, have = expected.get(k, 0), got.get(k, 0)
        ok = near(want, have, n) if isinstance(want, str) else want == have
        if not ok and k not in expected and any(isinstance(v, str) for v in expected.values()):
            ok = have <= max(1, n * 0.01)
        if not ok:
            diffs.append(f'{what} {k}: expected {want}, got {have}')


def same_value(want, have):
    if isinstance(want, dict) and 'one-of' in want:
        return have in want['one-of'] or str(have) in [str(x) for x in want['one-of']] or (isinstance(have, dict) and 'one-of' in have and set(map(str, have['one-of'])) <= set(map(str, want['one-of'])))
    if want == 'varies':
        return have is not None
    return str(want) == str(have)


def compare_headers(what, want, have, diffs):
    for k in sorted(set(want) | set(have)):
        w, h = want.get(k, 'absent'), have.get(k, 'absent')
        if w in ('sometimes',) or (isinstance(w, dict) and 'sometimes' in w):
            continue
        if isinstance(h, dict) and 'sometimes' in h:
            h = h['sometimes']
        if w in ('present', 'varies') and h != 'absent':
            continue
        if not same_value(w, h):
            diffs.append(f'{what}.{k}: expected {w!r}, got {h!r}')


LENIENT = ('n', 'fail')


def compare_flags(want, have, n, diffs):
    if want == 'none':
        want = {}
    if have == 'none':
        have = {}
    for role in sorted(set(want) | set(have)):
        w = {json.dumps({k: v for k, v in row.items() if k not in LENIENT}, sort_keys=True): row for row in want.get(role, [])}
        h = {json.dumps({k: v for k, v in row.items() if k not in LENIENT}, sort_keys=True): row for row in have.get(role, [])}
        for key in sorted(set(w) | set(h)):
            wn = w.get(key, {}).get('n')
            if key not in h:
                mean = float(str(wn).lstrip('~')) if isinstance(wn, str) and wn.startswith('~') else None
                if wn != 'sometimes' and not (mean is not None and near(wn, 0, n)):
                    diffs.append(f'flags.{role}: missing {key}')
            elif key not in w and not (role == 'server' and h[key].get('n') == 'sometimes'):
                diffs.append(f'flags.{role}: unexpected {key}')
            elif isinstance(wn, int) and h[key].get('n') != wn:
                diffs.append(f"flags.{role}: {key}: expected {wn} times, got {h[key].get('n')}")
            elif isinstance(wn, str) and wn.startswith('~') and not near(wn, float(str(h[key].get('n', 0)).lstrip('~')), n):
                diffs.append(f"flags.{role}: {key}: expected {wn} times, got {h[key].get('n')}")


def compare(rig, step, o):
    want, diffs = step.get('expect') or {}, []
    n = int(step.get('repeat', 1))
    have = expectation(rig, step, [o])
    f = facets(rig, step, o)
    for c, w in want.items():
        if c in ('status', 'grpc-status', 'grpc-message', 'protocol'):
            compare_counts(c, w, f.get(c, {}), n, diffs)
        elif c == 'pod':
            got = f['pod']
            if isinstance(w, dict) and 'any-of' in w:
                if not got or not set(got) <= set(w['any-of']):
                    diffs.append(f"pod: expected any of {w['any-of']}, got {got}")
            elif isinstance(w, dict) and 'always-one-of' in w:
                if len(got) != 1:
                    diffs.append(f"pod: expected one pod for all, got {got}")
            else:
                compare_counts('pod', w, got, n, diffs)
        elif c == 'attempts':
            total = sum(f['attempts'].values())
            if isinstance(w, dict) and 'total' in w:
                if not (near(w['total'], total, max(total, n)) if isinstance(w['total'], str) else w['total'] == total):
                    diffs.append(f"attempts: expected {w['total']}, got {f['attempts']}")
            elif (w or {}) != f['attempts']:
                diffs.append(f"attempts: expected {w}, got {f['attempts']}")
        elif c == 'elapsed':
            lo, hi = [seconds(x) for x in w.split('..')]
            if min(f['elapsed']) < lo - 0.02 or max(f['elapsed']) > hi:
                diffs.append(f"elapsed: expected {w}, got {min(f['elapsed']):.2f}s..{max(f['elapsed']):.2f}s")
        elif c == 'body':
            for b in {shorten(volatile(b)) for b in f['body']}:
                if not same_value(w, b):
                    diffs.append(f'body: expected {w!r}, got {b!r}')
        elif c == 'flags':
            compare_flags(w, have.get('flags', {}), n, diffs)
        elif c == 'upstream':
            got = have.get('upstream')
            if isinstance(w, str) or isinstance(got, str):
                if w != got:
                    diffs.append(f'upstream: expected {w}, got {got}')
                continue
            for part, v in w.items():
                if part == 'headers':
                    compare_headers('upstream.headers', v, got.get('headers', {}), diffs)
                elif not same_value(v, got.get(part)):
                    diffs.append(f'upstream.{part}: expected {v!r}, got {got.get(part)!r}')
        elif c == 'response':
            compare_headers('response.headers', w.get('headers', {}), have.get('response', {}).get('headers', {}), diffs)
        elif c == 'log':
            for role, lines in w.items():
                if set(lines) != set(have.get('log', {}).get(role, [])):
                    diffs.append(f"log.{role}: expected {lines}, got {have.get('log', {}).get(role)}")
        elif c == 'refused':
            got = have.get('refused') or []
            if sorted(r['object'] for r in w) != sorted(r['object'] for r in got):
                diffs.append(f'refused: expected {w}, got {got}')
    return diffs

# --------------------------------------------------------------------------- writing expectations in place


class Dumper(yaml.SafeDumper):
    pass


Dumper.ignore_aliases = lambda *a: True
Dumper.add_representer(str, lambda d, s: d.represent_scalar('tag:yaml.org,2002:str', s, style='"' if '\n' in s or '\r' in s else None))


def flow(value):
    text = yaml.dump(value, Dumper=Dumper, sort_keys=False, width=1000000, allow_unicode=True, default_flow_style=True)
    return re.sub(r'\n\.\.\.\n$', '', text).rstrip('\n')


BLOCK = ('expect', 'flags', 'upstream', 'response')


def emit(value, indent):
    """Lines of a block mapping or list; leaves and short maps in flow style."""
    out, pad = [], ' ' * indent
    if isinstance(value, list):
        for item in value:
            out.append(pad + '- ' + flow(item))
        return out
    for k, v in value.items():
        key = flow(k)
        short = flow(v)
        if isinstance(v, dict) and v and (k in BLOCK or len(short) > 150):
            out += [f'{pad}{key}:'] + emit(v, indent + 2)
        elif isinstance(v, list) and v and (len(short) > 100 or isinstance(v[0], dict)):
            out += [f'{pad}{key}:'] + emit(v, indent)
        else:
            out.append(f'{pad}{key}: {short}')
    return out


def node_of(mapping, key):
    for k, v in mapping.value:
        if k.value == key:
            return k, v
    return None, None


def write_expectations(path, expects, refused):
    """Put `expect:` under each step (and `refused:` before the steps) without touching the rest of the file."""
    text = open(path).read()
    lines = text.split('\n')
    root = yaml.compose(text)
    edits = []                                         # (first line, last line exclusive, replacement)
    steps_key, steps = node_of(root, 'steps')

    def last_line(node):
        end = node.end_mark.line if node.end_mark.column == 0 or not lines[node.end_mark.line][:node.end_mark.column].strip() else node.end_mark.line + 1
        while end > node.start_mark.line + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith('#')):
            end -= 1
        return end
    for step in steps.value:
        name = node_of(step, 'name')[1].value
        k, v = node_of(step, 'expect')
        new = emit({'expect': expects[name]}, step.start_mark.column) if expects.get(name) else []
        if step.flow_style:                            # {…} on one line: one key per line, values kept as written
            column = steps.start_mark.column
            block = [' ' * (column + 2) + f'{x.value}: {text[y.start_mark.index:y.end_mark.index]}' for x, y in step.value if x.value != 'expect']
            block[0] = ' ' * column + '- ' + block[0].lstrip()
            if expects.get(name):
                block += emit({'expect': expects[name]}, column + 2)
            edits.append((step.start_mark.line, last_line(step), block))
            continue
        if k is not None:
            first = k.start_mark.line
            end = max(last_line(v), first + 1)
            edits.append((first, end, new))
        elif new:
            end = last_line(step)
            edits.append((end, end, new))
    k, v = node_of(root, 'refused')
    new = emit({'refused': refused}, 0) if refused else []
    if k is not None:
        edits.append((k.start_mark.line, last_line(v), new))
    elif new:
        edits.append((steps_key.start_mark.line, steps_key.start_mark.line, new))
    for first, end, block in sorted(edits, key=lambda e: (-e[0], -e[1])):
        lines[first:end] = block
    out = '\n'.join(lines)
    yaml.safe_load(out)
    with open(path, 'w') as f:
        f.write(out if out.endswith('\n') else out + '\n')

# --------------------------------------------------------------------------- commands


def read_case(path):
    case = load(path)
    if not isinstance(case, dict) or not case.get('steps'):
        raise ValueError('no steps')
    for s in case['steps']:
        if not isinstance(s['name'], str):
            raise ValueError(f"step name {s['name']!r} is not text to YAML; quote it")
    names = [s['name'] for s in case['steps']]
    if len(names) != len(set(names)):
        raise ValueError('step names repeat')
    return case


def record(session, files, report, runs):
    seen = {}
    for run in range(1, runs + 1):
        for path in files:
            if seen.get(path) == 'failed':
                continue
            begin = time.time()
            session.pause()
            begin = time.time()
            try:
                case = read_case(path)
                seen.setdefault(path, []).append(session.run(case, run))
                if run == runs:
                    expects = {}
                    for step in case['steps']:
                        obs = [r[0][step['name']] for r in seen[path] if step['name'] in r[0]]
                        if obs and hasattr(obs[0], 'kind'):
                            expects[step['name']] = expectation(session.rig, step, obs)
                        elif obs and getattr(obs[0], 'refused', None):
                            expects[step['name']] = {'refused': obs[0].refused}
                    write_expectations(path, expects, seen[path][0][1])
                    report.append({'case': path, 'result': 'recorded'})
                note = f"  proxies refused: {session.refusals}" if session.refusals else ''
                if note:
                    report.append({'case': path, 'result': 'proxy refusals', 'why': session.refusals})
                print(f"{run}/{runs} {os.path.relpath(path, HERE)} {time.time() - begin:.1f}s{note}", flush=True)
            except Exception as e:                     # one bad case must not end the run
                seen[path] = 'failed'
                report.append({'case': path, 'result': 'failed', 'why': f'{type(e).__name__}: {e}'[:500]})
                print(f"FAILED {os.path.relpath(path, HERE)}: {type(e).__name__}: {e}", flush=True)
                if session.verbose:
                    import traceback
                    traceback.print_exc()


def check(session, files, report):
    for path in files:
        begin = time.time()
        session.pause()
        begin = time.time()
        diffs = {}
        try:
            case = read_case(path)
            observed, refused = session.run(case, 1)
            want = sorted(r['object'] for r in case.get('refused') or [])
            if want != sorted(r['object'] for r in refused):
                diffs['config'] = [f'refused: expected {want}, got {refused}']
            for step in case['steps']:
                o = observed.get(step['name'])
                if o is not None and hasattr(o, 'kind') and step.get('expect'):
                    d = compare(session.rig, step, o)
                    if d:
                        diffs[step['name']] = d
                elif step.get('expect', {}) and 'refused' in step['expect'] and not getattr(o, 'refused', None):
                    diffs[step['name']] = ['expected a refusal, was accepted']
            result = 'different' if diffs else 'same'
        except Exception as e:
            result, diffs = 'failed', {'error': [f'{type(e).__name__}: {e}'[:500]]}
            if session.verbose:
                import traceback
                traceback.print_exc()
        report.append({'case': path, 'result': result, 'diffs': diffs})
        print(f"{result:9} {os.path.relpath(path, HERE)} {time.time() - begin:.1f}s", file=sys.stderr if session.json else sys.stdout, flush=True)
        if not session.json:
            for step, d in diffs.items():
                print(f'  step {step}')
                for line in d:
                    print(f'    {line}')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('command', choices=['list', 'record', 'check'])
    p.add_argument('case', nargs='*')
    p.add_argument('--adapter', default='mesh')
    p.add_argument('--opt', action='append', default=[])
    p.add_argument('--work', default=os.environ.get('RIG_WORK') or os.path.join(tempfile.gettempdir(), 'behaviour-rig'))
    p.add_argument('--json', action='store_true')
    p.add_argument('--verbose', action='store_true')
    p.add_argument('--runs', type=int, default=2)
    p.add_argument('--only-missing', action='store_true', help='record: only cases without any expect')
    p.add_argument('--shard', default='1/1', help='i/n: only every n-th case, starting with the i-th')
    p.add_argument('--match', default='*', help='glob over case names')
    a = p.parse_args()
    files = [f for f in cases_of(a.case) if fnmatch.fnmatch(os.path.basename(f)[:-5], a.match)]
    if a.command == 'list':
        for f in files:
            try:
                c = read_case(f)
                done = sum(1 for s in c['steps'] if s.get('expect'))
                print(f"{os.path.relpath(f, HERE):60} {len(c['steps'])} steps, {done} recorded  {c.get('about', '')}")
            except Exception as e:
                print(f'{os.path.relpath(f, HERE):60} unreadable: {e}')
        return 0
    if a.only_missing:
        files = [f for f in files if 'expect:' not in open(f).read()]
    shard, shards = [int(x) for x in a.shard.split('/')]
    files = files[shard - 1::shards]
    rig = Rig(a.work, os.environ.get('RIG_PREFIX', 'mesh'))
    adapter = adapter_module(a.adapter).Adapter(rig, dict(o.split('=', 1) for o in a.opt))
    report = []
    signal.signal(signal.SIGTERM, lambda *x: sys.exit(143))
    while paused():
        time.sleep(0.2)
    try:
        rig.up()
        adapter.start(load(os.path.join(HERE, 'base', 'mesh.yaml')))
        session = Session(adapter, rig)
        session.json, session.verbose = a.json, a.verbose
        if a.command == 'record':
            for i in range(0, len(files), 8):
                record(session, files[i:i + 8], report, a.runs)
        else:
            check(session, files, report)
    finally:
        try:
            adapter.stop()
        finally:
            rig.down()
    if a.json:
        print(json.dumps(report, indent=1))
    else:
        tally = {}
        for r in report:
            tally[r['result']] = tally.get(r['result'], 0) + 1
        print(', '.join(f'{v} {k}' for k, v in sorted(tally.items())))
    return 0 if all(r['result'] in ('recorded', 'same') for r in report) else 1


if __name__ == '__main__':
    sys.exit(main())
