#!/usr/bin/env python3
"""What telemetry costs a request: the same proxies with everything that can be told of a request, and with nothing of it, by turns in one run.

usage: telemetry.py [--proxy PATH] [--istiod PATH] [--scenario h1 pair] [--seconds 5] [--rounds 4]

on: standard metrics, access log (Istio's format, to a file), spans at 1 % over OTLP, and somebody who reads the live stream (200 records a second).
off: no metrics filter, no access log, no tracing; the report that each proxy makes once a second stays, nobody reads.
The figure is CPU time of the proxies' processes per request. In "pair" a request goes through two of them, a client's and a server's, so both reporters count.
Needs: wrk, nginx. --realtime runs proxies, origin and load before all else on the machine while they are measured (root), so that other work stays out of the figures.
"""
import argparse
import os
import shutil
import statistics
import sys
import tempfile

from compare import LOAD_CPU, TREE, Bench, cpu_seconds, family, free_port, prefer, wait_port


class Telling(Bench):
    """A bench whose mesh tells everything, or nothing."""

    def __init__(self, options, work, tells):
        super().__init__(options, work)
        self.tells, self.reader = tells, None

    def mesh_config(self):
        if not self.tells:
            return 'enableTracing: false\n'
        return f'''accessLogFile: /dev/stdout
enableTracing: true
extensionProviders: [{{name: otel, opentelemetry: {{service: collector.bench.test, port: {self.collector()}, http: {{path: /v1/traces, timeout: 3s}}}}}}]
defaultProviders: {{tracing: [otel]}}
'''

    def more_config(self):
        if not self.tells:
            return '''---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: nothing, namespace: istio-system}
spec:
  metrics: [{providers: [{name: prometheus}], overrides: [{match: {metric: ALL_METRICS}, disabled: true}]}]
'''
        return f'''---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: collector, namespace: bench}}
spec:
  hosts: [collector.bench.test]
  ports: [{{number: {self.collector()}, name: http, protocol: HTTP}}]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1}}]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: spans, namespace: istio-system}}
spec: {{tracing: [{{providers: [{{name: otel}}], randomSamplingPercentage: 1}}]}}
'''

    def collector(self):
        """An nginx that takes spans and forgets them."""
        if not hasattr(self, 'collector_port'):
            port = self.collector_port = free_port()
            temp = ''.join(f"{k}_temp_path {self.path('c' + k)}; " for k in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
            conf = self.write('collector.conf', f'''user root; worker_processes 1; daemon off; pid {self.path('collector.pid')}; error_log stderr error;
events {{ worker_connections 64; }}
http {{ access_log {self.path('spans.log')}; client_max_body_size 16m; {temp} server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }} }}''')
            self.processes.start('collector', ['nginx', '-p', self.work, '-c', conf], LOAD_CPU)
            wait_port(port)
        return self.collector_port

    def mesh(self, scenario):
        started = super().mesh(scenario)
        if self.tells and self.reader is None:
            self.reader = self.processes.start('reader', ['curl', '-sN', f'http://127.0.0.1:{self.http}/api/stream'], LOAD_CPU)
        return started


def one(bench, scenario):
    processes, port = bench.mesh(scenario)
    try:
        pids = [pid for p in processes for pid in family(p.pid)]
        if bench.options.realtime:
            prefer(pids)
        bench.load_once(scenario, port)
        before = sum(cpu_seconds(pids))
        done, failed = bench.load(scenario, port)
        if failed or not done:
            raise RuntimeError(f'{failed} failed of {done}')
        return (sum(cpu_seconds(pids)) - before) / done * 1e6, done / bench.options.seconds
    finally:
        for p in processes:
            bench.processes.stop(p)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--proxy', default=os.path.join(TREE, 'artifacts/bin/mesh-proxy'))
    parser.add_argument('--istiod', default=os.path.join(TREE, 'artifacts/bin/mesh-istiod'))
    parser.add_argument('--scenario', nargs='*', default=['h1', 'pair'])
    parser.add_argument('--seconds', type=int, default=5)
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--realtime', action='store_true')
    options = parser.parse_args()
    works = [tempfile.mkdtemp(prefix='mesh-bench-') for _ in range(2)]
    on, off = Telling(options, works[0], True), Telling(options, works[1], False)
    try:
        for scenario in options.scenario:
            costs = {True: [], False: []}
            for turn in range(options.rounds):
                for bench in (off, on) if turn % 2 == 0 else (on, off):
                    costs[bench.tells].append(one(bench, scenario))
            proxies = 2 if scenario == 'pair' else 1
            print(f'{scenario}: CPU-us per request, {proxies} prox{"ies" if proxies > 1 else "y"}; load average {os.getloadavg()[0]:.1f}')
            for tells in (False, True):
                figures = sorted(cost for cost, _ in costs[tells])
                print(f"  {'on' if tells else 'off':3} {statistics.median(figures):6.2f} [{figures[0]:.2f}-{figures[-1]:.2f}]  {statistics.median(rate for _, rate in costs[tells]):8.0f}/s")
            more = statistics.median(c for c, _ in costs[True]) - statistics.median(c for c, _ in costs[False])
            print(f'  difference {more:.2f}, {more / proxies:.2f} a proxy')
            sys.stdout.flush()
        lines = sum(1 for name in os.listdir(works[0]) if name.startswith('mesh-') for _ in open(os.path.join(works[0], name), errors='replace'))
        print(f"told: {lines} log lines, {sum(1 for _ in open(os.path.join(works[0], 'spans.log')))} batches of spans, {os.path.getsize(os.path.join(works[0], 'reader.log')) >> 10} KiB of live stream")
    finally:
        for bench in (on, off):
            bench.processes.stop_all()
        for work in works:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
