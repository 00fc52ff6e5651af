#!/usr/bin/env python3
"""Measures a control plane: start, memory, CPU and push delays with N simulated sidecars. See README.md.

The control plane is any command; {kubeconfig}, {xds}, {http} and {work} in it are replaced. It is pinned to one set of CPUs, this program and
the Kubernetes API to another.
"""
import argparse
import asyncio
import gc
import http.client
import json
import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

from inputs import Mesh
from sidecars import EDS, RDS, VHDS, Fleet

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = 'idle,start,load,endpoint,virtual,churn,global,reconnect'


class Process:
    """The control plane's process: CPU clock, memory, peak."""

    def __init__(self, pid):
        self.pid = pid

    def cpu(self):
        return time.clock_gettime((~self.pid << 3) | 2)

    def status(self, key):
        with open(f'/proc/{self.pid}/status') as f:
            for line in f:
                if line.startswith(key + ':'):
                    return int(line.split()[1]) / 1024
        return 0

    def rss(self):
        return self.status('VmRSS')

    def peak(self):
        return self.status('VmHWM')

    def reset_peak(self):
        with open(f'/proc/{self.pid}/clear_refs', 'w') as f:
            f.write('5')

    async def calm(self, share=0.02, span=1.0, timeout=120):
        """Until the process used less than `share` of a core for two spans."""
        quiet, end = 0, time.monotonic() + timeout
        while quiet < 2 and time.monotonic() < end:
            c = self.cpu()
            await asyncio.sleep(span)
            quiet = quiet + 1 if (self.cpu() - c) / span < share else 0

    async def idle_share(self, span=5):
        c = self.cpu()
        await asyncio.sleep(span)
        return (self.cpu() - c) / span


def stolen(cpus):
    """Seconds that other work and the hypervisor used on these CPUs: (busy, steal)."""
    busy = steal = 0
    with open('/proc/stat') as f:
        for line in f:
            p = line.split()
            if p[0].startswith('cpu') and p[0] != 'cpu' and int(p[0][3:]) in cpus:
                v = [int(x) for x in p[1:]]
                busy += v[0] + v[1] + v[2] + v[5] + v[6]
                steal += v[7]
    return busy / 100, steal / 100


def quantile(v, q):
    v = sorted(v)
    return v[min(len(v) - 1, int(q * len(v)))] if v else float('nan')


class Rig:
    def __init__(self, o):
        self.o, self.children, self.results = o, [], []
        self.cpus = {int(c) for c in o.control_cpus.split(',')}
        self.api_address = f'127.0.0.1:{o.port}'
        self.xds = o.xds or f'127.0.0.1:{o.port + 1}'
        self.http = f'127.0.0.1:{o.port + 2}'
        self.kubeconfig = os.path.join(o.work, 'kubeconfig')
        os.makedirs(o.work, exist_ok=True)
        with open(self.kubeconfig, 'w') as f:
            json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c', 'clusters': [{'name': 'c', 'cluster': {'server': f'http://{self.api_address}'}}],
                       'users': [{'name': 'u', 'user': {}}], 'contexts': [{'name': 'c', 'context': {'cluster': 'c', 'user': 'u'}}]}, f)

    def pinned(self, cmd, cpus, **kw):
        p = subprocess.Popen(['taskset', '-c', cpus] + cmd, **kw)
        self.children.append(p)
        return p

    def start_api(self, mesh):
        cmd = [sys.executable, os.path.join(HERE, 'kubeapi.py'), '--listen', self.api_address]
        if mesh:
            path = os.path.join(self.o.work, 'inputs.jsonl')
            with open(path, 'w') as f:
                for obj in mesh.objects():
                    f.write(json.dumps(obj, separators=(',', ':')) + '\n')
            cmd += ['--load', path]
        p = self.pinned(cmd, self.o.load_cpus, stdout=subprocess.PIPE)
        p.stdout.readline()
        return p

    def start_control(self):
        words = {'kubeconfig': self.kubeconfig, 'xds': self.xds, 'http': self.http, 'work': self.o.work}
        cmd = [w.format(**words) for w in shlex.split(self.o.command)]
        env = {**os.environ, **dict(e.split('=', 1) for e in self.o.env)}
        self.log = open(os.path.join(self.o.work, 'control.log'), 'wb')
        t0 = time.monotonic()
        p = self.pinned(cmd, self.o.control_cpus, stdout=self.log, stderr=self.log, env=env, cwd=self.o.work)
        while True:
            if p.poll() is not None:
                raise SystemExit(f'control plane exited {p.returncode}, see control.log')
            try:
                if self.o.ready:
                    urllib.request.urlopen(self.o.ready.format(**words), timeout=1).read()
                else:
                    socket.create_connection(self.xds.rpartition(':')[::2], timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
            if time.monotonic() - t0 > 300:
                raise SystemExit('control plane not ready')
        return Process(p.pid), time.monotonic() - t0

    def stop(self, *procs):
        for p in procs or list(self.children):
            p.terminate()
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            self.children.remove(p)

    def put(self, obj):
        group, resource = {'ConfigMap': ('v1', 'configmaps'), 'EndpointSlice': ('discovery.k8s.io/v1', 'endpointslices'), 'VirtualService': ('networking.istio.io/v1', 'virtualservices')}[obj['kind']]
        m = obj['metadata']
        if not hasattr(self, 'line') or self.line is None:
            self.line = http.client.HTTPConnection(self.api_address)
        self.line.request('PUT', f'/{"apis" if "/" in group else "api"}/{group}/namespaces/{m["namespace"]}/{resource}/{m["name"]}', json.dumps(obj))
        r = self.line.getresponse()
        r.read()
        assert r.status == 200, r.status

    def note(self, scenario, **values):
        row = {'run': self.o.label, 'scenario': scenario, **{k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}}
        self.results.append(row)
        print(json.dumps(row), flush=True)
        if self.o.out:
            with open(self.o.out, 'a') as f:
                f.write(json.dumps(row) + '\n')

    # -- scenarios

    def gauges(self):
        if not self.o.metrics:
            return {}
        lines = urllib.request.urlopen(self.o.metrics, timeout=10).read().decode().split('\n')
        return {g: float(x.split()[-1]) for g in self.o.gauge for x in lines if x.split(' ')[0] == g}

    async def idle(self):
        for _ in range(self.o.repeat):
            api = self.start_api(None)
            proc, t = self.start_control()
            c = proc.cpu()
            await proc.calm()
            self.note('idle', ready_s=t, cpu_s=proc.cpu(), cpu_at_ready_s=c, rss_mib=proc.rss(), peak_mib=proc.peak(), idle_cpu_share=await proc.idle_share())
            self.stop(self.children[-1])
            self.stop(api)

    async def run(self):
        o = self.o
        todo = o.scenarios.split(',')
        if 'idle' in todo:
            await self.idle()
            todo.remove('idle')
        if not todo:
            return
        mesh = self.mesh = Mesh(o.services, o.endpoints, o.virtual, o.rules, o.scoped)
        self.line = None
        self.start_api(mesh)
        busy, steal = stolen(self.cpus)
        proc, t = self.start_control()
        self.proc = proc
        await proc.calm()
        base = proc.rss()
        self.note('start', ready_s=t, cpu_s=proc.cpu(), rss_mib=base, peak_mib=proc.peak(), **self.gauges())
        self.fleet = Fleet(self.xds, mesh.proxies(o.proxies), identity=o.identity, apart=o.apart)
        await self.connect('load', base)
        self.idle_cpu = await proc.idle_share(10)
        if 'endpoint' in todo:
            await self.changes('endpoint')
        if 'virtual' in todo:
            await self.changes('virtual')
        if 'churn' in todo:
            await self.churn()
        if 'global' in todo:
            await self.everything()
        if 'reconnect' in todo:
            for _ in range(o.reconnects):
                await self.fleet.close()
                await proc.calm(span=0.5)
                await self.connect('reconnect', base)
        await asyncio.sleep(5)
        b, s = stolen(self.cpus)
        self.note('end', rss_mib=proc.rss(), lost_streams=self.fleet.lost, control_cpu_s=proc.cpu(), foreign_cpu_s=b - busy - proc.cpu(), steal_s=s - steal)
        await self.fleet.close()

    async def connect(self, scenario, base):
        fleet, proc = self.fleet, self.proc
        fleet.reset()
        proc.reset_peak()
        c, own = proc.cpu(), time.process_time()
        gc.collect()
        took = await fleet.connect()
        cpu, own, wall = proc.cpu() - c, time.process_time() - own, max(took)
        await proc.calm()
        n = len(fleet.sidecars)
        total = {k: [v[0] / n, round(v[1] / n), v[2] / n] for k, v in fleet.total.items()}
        self.note(scenario, proxies=n, refused=fleet.refused, wall_s=wall, p50_s=quantile(took, .5), cpu_s=cpu, cpu_ms_per_proxy=cpu / n * 1000, cpu_after_s=proc.cpu() - c - cpu, rss_before_mib=base,
                  rss_mib=proc.rss(), peak_mib=proc.peak(), mib_per_proxy=(proc.rss() - base) / n, load_tool_cpu_s=own,
                  bytes_per_proxy=round(sum(v[1] for v in fleet.total.values()) / n), per_proxy=total, **self.gauges())

    async def changes(self, kind):
        """One change after another; each is recognised in the bytes that a sidecar receives."""
        fleet, proc, mesh = self.fleet, self.proc, self.mesh
        rows = []
        for k in range(self.o.changes + 1):
            s = (k * 37) % (mesh.S if kind == 'endpoint' else mesh.V)
            targets = fleet.watchers(mesh.cluster(s).encode())
            await proc.calm(share=max(0.02, self.idle_cpu * 1.5 + 0.01), span=0.5)
            fleet.reset()
            if kind == 'endpoint':
                obj = mesh.slice_object(s, mesh.E + 1)
                fleet.expect((EDS,), mesh.pod(s, mesh.E)['ip'].encode())
            else:
                obj = mesh.virtual_service(s, str(k + 1))
                fleet.expect((RDS, VHDS), f'mark-{k + 1}-'.encode())
            c, t0 = proc.cpu(), time.monotonic()
            self.put(obj)
            while len(fleet.arrived) < len(targets) and time.monotonic() - t0 < 60:
                await asyncio.sleep(0.002)
            missing = len(targets) - len(fleet.arrived)
            await asyncio.sleep(1.5)                         # what still follows belongs to the change
            span = time.monotonic() - t0
            gross = proc.cpu() - c
            cpu = gross - self.idle_cpu * span
            delay = [t - t0 for t in fleet.arrived.values()]
            if k:                                            # the first one warms up
                rows.append({'p50': quantile(delay, .5), 'p99': quantile(delay, .99), 'max': max(delay, default=float('nan')), 'cpu': cpu, 'gross': gross, 'missing': missing,
                             'n': len(targets), 'bytes': sum(v[1] for v in fleet.total.values()), 'total': {k: list(v) for k, v in fleet.total.items()}})
            fleet.needle = None
        if kind == 'endpoint':
            for k in range(self.o.changes + 1):
                self.put(mesh.slice_object((k * 37) % mesh.S, mesh.E))
            await proc.calm()
        med = lambda key: statistics.median(r[key] for r in rows)
        n = len(fleet.sidecars)
        self.note(kind, changes=len(rows), watching=med('n'), p50_ms=med('p50') * 1000, p99_ms=med('p99') * 1000, max_ms=med('max') * 1000, worst_ms=max(r['max'] for r in rows) * 1000,
                  cpu_ms=med('cpu') * 1000, cpu_gross_ms=med('gross') * 1000, cpu_ms_all=[round(r['cpu'] * 1000, 1) for r in rows], bytes_per_proxy=med('bytes') / n, missing=sum(r['missing'] for r in rows),
                  per_proxy={k: [v[0] / n, round(v[1] / n), v[2] / n] for k, v in rows[-1]['total'].items()}, idle_cpu_share=self.idle_cpu)

    async def everything(self):
        """A mesh-wide setting changes (connect timeout of all clusters): everything is generated and sent again."""
        fleet, proc = self.fleet, self.proc
        await proc.calm()
        fleet.reset()
        proc.reset_peak()
        before = {s: s.count for s in fleet.sidecars}
        c, t0 = proc.cpu(), time.monotonic()
        self.put({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'istio', 'namespace': 'istio-system'},
                  'data': {'mesh': 'connectTimeout: 7s\nrootNamespace: istio-system\ntrustDomain: cluster.local\n', 'meshNetworks': 'networks: {}'}})
        while any(s.count == n for s, n in before.items()) and time.monotonic() - t0 < 300:
            await asyncio.sleep(0.01)
        await proc.calm(share=0.05)
        last = [s.last - t0 for s in fleet.sidecars]
        n = len(fleet.sidecars)
        self.note('global', p50_s=quantile(last, .5), p99_s=quantile(last, .99), max_s=max(last), cpu_s=proc.cpu() - c, peak_mib=proc.peak(), rss_mib=proc.rss(),
                  bytes_per_proxy=sum(v[1] for v in fleet.total.values()) / n, per_proxy={k: [v[0] / n, round(v[1] / n), v[2] / n] for k, v in fleet.total.items()}, **self.gauges())

    async def churn(self):
        """10 endpoint changes per second; every service in turn gains its spare endpoint, on the next round loses it."""
        fleet, proc, mesh, o = self.fleet, self.proc, self.mesh, self.o
        await proc.calm()
        fleet.reset()
        fleet.by_name, fleet.applied, fleet.delays = True, {}, []
        proc.reset_peak()
        before = proc.rss()
        c, own, t0 = proc.cpu(), time.process_time(), time.monotonic()
        count = int(o.rate * o.seconds)
        watchers = {}
        late, samples = 0.0, []
        for k in range(count):
            at = t0 + k / o.rate
            wait = at - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                await asyncio.sleep(0)
                late = max(late, -wait)
            s = k % mesh.S
            name = mesh.cluster(s).encode()
            if name not in watchers:
                watchers[name] = fleet.watchers(name)
            fleet.applied[name] = (time.monotonic(), set(watchers[name]))
            self.put(mesh.slice_object(s, mesh.E + 1 - (k // mesh.S) % 2))
            if k % 10 == 0:
                samples.append(proc.rss())
        end = time.monotonic()
        cpu = proc.cpu() - c
        own = time.process_time() - own
        left = lambda: sum(len(a[1]) for a in fleet.applied.values())
        backlog = left()
        while left() and time.monotonic() - end < 60:
            await asyncio.sleep(0.01)
        drain = time.monotonic() - end
        d = [x for _, x in fleet.delays]
        n = len(fleet.sidecars)
        self.note('churn', changes=count, cpu_share=cpu / (end - t0), cpu_ms_per_change=cpu / count * 1000, p50_ms=quantile(d, .5) * 1000, p99_ms=quantile(d, .99) * 1000, max_ms=max(d, default=0) * 1000,
                  deliveries=len(d), undelivered=left(), backlog_at_end=backlog, drain_s=drain, rss_before_mib=before, rss_peak_mib=proc.peak(), rss_after_mib=proc.rss(), load_tool_share=own / (end - t0),
                  apply_late_ms=late * 1000, bytes_per_proxy_s=sum(v[1] for v in fleet.total.values()) / n / (end - t0), pushes_per_proxy={k: v[0] / n for k, v in fleet.total.items()})
        fleet.by_name = False


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--command', required=True, help='the control plane; {kubeconfig} {xds} {http} {work} are replaced')
    p.add_argument('--ready', help='URL that answers 200 when ready, e.g. http://{http}/ready; default: the xDS port accepts')
    p.add_argument('--env', action='append', default=[], metavar='K=V')
    p.add_argument('--work', required=True, help='folder for run files')
    p.add_argument('--out', help='append one JSON line per scenario')
    p.add_argument('--label', default='')
    p.add_argument('--metrics', metavar='URL', help='Prometheus page of the control plane, for --gauge')
    p.add_argument('--gauge', action='append', default=[], metavar='NAME')
    p.add_argument('--port', type=int, default=18300, help='first of three ports: Kubernetes API, xDS, HTTP')
    p.add_argument('--xds', help='another xDS address')
    p.add_argument('--identity', action='store_true', help='send the identity header that a test build may want')
    p.add_argument('--apart', action='store_true', help='sidecars take the virtual hosts of large route tables one by one (VHDS), as our own proxy does')
    p.add_argument('--control-cpus', default='0')
    p.add_argument('--load-cpus', default='1')
    p.add_argument('--scenarios', default=ALL)
    for n, d in (('services', 100), ('endpoints', 10), ('proxies', 50), ('virtual', None), ('rules', None), ('changes', 5), ('repeat', 3), ('reconnects', 1)):
        p.add_argument('--' + n, type=int, default=d)
    p.add_argument('--rate', type=float, default=10)
    p.add_argument('--seconds', type=float, default=60)
    p.add_argument('--scoped', action='store_true')
    o = p.parse_args()
    os.sched_setaffinity(0, {int(c) for c in o.load_cpus.split(',')})
    rig = Rig(o)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        asyncio.run(rig.run())
    finally:
        rig.stop()

if __name__ == '__main__':
    main()
