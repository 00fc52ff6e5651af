#!/usr/bin/env python3
"""Writes src/Proxy/hot.order: the methods that requests run, hottest first, which the compiler then places together.

usage: order.py [--proxy PATH] [--istiod PATH] [--seconds 4] [--least 2] [--out FILE]

The proxy (a native build, its symbols in mesh-proxy.dbg beside it) is sampled by `perf` under the loads of compare.py: HTTP/1.1, HTTP/2, gRPC, two sidecars, TCP. A method seen in fewer than --least samples is left out.
"""
import argparse
import os
import re
import shutil
import subprocess
import tempfile

import compare

OURS = re.compile(r'^(mesh_proxy_|Mesh_|S_P_|System_|Microsoft_)')


def samples(bench, scenario, seconds):
    processes, port = bench.mesh(scenario)
    try:
        bench.load(scenario, port)
        data = bench.path('perf.data')
        recorder = subprocess.Popen(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', '4999', '-o', data, '-p', ','.join(str(p.pid) for p in processes), '--', 'sleep', str(seconds)])
        bench.load(scenario, port)
        recorder.wait()
        lines = subprocess.run(['perf', 'script', '-i', data, '-F', 'ip,sym'], capture_output=True, text=True).stdout.splitlines()
        return [line.split()[1] for line in lines if len(line.split()) > 1]
    finally:
        for p in processes:
            bench.processes.stop(p)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--proxy', default=os.path.join(compare.TREE, 'artifacts/bin/mesh-proxy'))
    parser.add_argument('--istiod', default=os.path.join(compare.TREE, 'artifacts/bin/mesh-istiod'))
    parser.add_argument('--seconds', type=int, default=4)
    parser.add_argument('--least', type=int, default=2)
    parser.add_argument('--out', default=os.path.join(compare.TREE, 'src/Proxy/hot.order'))
    options = parser.parse_args()
    options.also, options.realtime = [], os.geteuid() == 0
    work = tempfile.mkdtemp(prefix='mesh-order-')
    bench = compare.Bench(options, work)
    seen = {}
    try:
        for scenario in ('h1', 'h2', 'grpc', 'pair', 'tcp'):
            for name in samples(bench, scenario, options.seconds):
                if OURS.match(name):
                    seen[name] = seen.get(name, 0) + 1
    finally:
        bench.processes.stop_all()
        shutil.rmtree(work, ignore_errors=True)
    hot = [name for name, count in sorted(seen.items(), key=lambda item: (-item[1], item[0])) if count >= options.least]
    with open(options.out, 'w') as f:
        f.write('\n'.join(hot) + '\n')
    print(f'{len(hot)} methods')


if __name__ == '__main__':
    main()
