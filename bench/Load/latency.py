#!/usr/bin/env python3
"""What a lightly loaded proxy adds: a fixed rate of requests, whatever comes back, and how long each took; CPU per request; system calls per request.

usage: latency.py [--rate 1000] [--scenario h1 pair] [--peer haproxy nginx envoy mesh] [--also NAME=PATH ...] [--seconds 5] [--rounds 3] [--realtime] [--syscalls]

Each request has its time (HTTP/1.1, 10 connections) and its latency is counted from that, so that a late start counts; "direct" is the origin without a proxy, and what a proxy adds is the difference to it in the same round.
--syscalls counts those of the proxy with strace for one second at full load (64 connections), which slows it down and changes no count.
"""
import argparse
import gc
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import compare

CONNECTIONS = 10
WARM = 1  # second that is not counted


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def generate(port, rate, seconds, host):
    """Sends each request at its time on a free connection, and prints how many microseconds after that time its answer was there (so a late start counts)."""
    gc.disable()
    request = f'GET /small HTTP/1.1\r\nhost: {host}\r\nuser-agent: latency\r\naccept: */*\r\n\r\n'.encode()
    free = [socket.create_connection(('127.0.0.1', port)) for _ in range(CONNECTIONS)]
    for s in free:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    busy, took, waiting = {}, [], []
    begin = time.perf_counter() + 0.1
    total, sent = int(rate * (seconds + WARM)), 0
    while sent < total or busy or waiting:
        now = time.perf_counter()
        while sent < total and begin + sent / rate <= now:
            waiting.append(begin + sent / rate)
            sent += 1
        while waiting and free:
            s = free.pop()
            busy[s] = [waiting.pop(0), 0, 0]
            s.sendall(request)
        until = begin + sent / rate - time.perf_counter() if sent < total else 1
        for s in select.select(list(busy), [], [], max(0, until))[0]:
            data, state = s.recv(65536), busy[s]
            if not data:
                sys.exit('a connection was closed')
            if state[2] == 0:
                head, _, _ = data.partition(b'\r\n\r\n')
                if not head.startswith(b'HTTP/1.1 200'):
                    sys.exit(f'answered {head[:80]}')
                state[2] = len(head) + 4 + len(compare.BODY)
            state[1] += len(data)
            if state[1] >= state[2]:
                if state[0] >= begin + WARM:
                    took.append(int((time.perf_counter() - state[0]) * 1e6))
                del busy[s]
                free.append(s)
    print('\n'.join(map(str, took)))


def run(bench, port, scenario, rate, seconds):
    """Latencies in microseconds, sorted."""
    host = 'b.bench.test' if scenario == 'pair' else compare.HOST
    pin = bench.pinned(WARM + seconds)
    out = subprocess.run(pin + [sys.executable, __file__, '--generate', str(port), '--rate', str(rate), '--seconds', str(seconds), '--host', host], capture_output=True, text=True, check=True)
    return sorted(int(line) for line in out.stdout.split())


def is_untraced(pid):
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/status') as f:
            if any(line.split() == ['TracerPid:', '0'] for line in f):
                return True
    return False


def system_calls(bench, pids, port, scenario):
    """Of the proxy's processes, each kind per request."""
    out = bench.path('strace.out')
    argv = ['strace', '-f', '-c', '-o', out]
    for pid in pids:
        argv += ['-p', str(pid)]
    tracer = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    while any(is_untraced(pid) for pid in pids):
        time.sleep(0.05)
    done, _ = bench.load(scenario, port)
    tracer.terminate()
    tracer.wait()
    counts = {}
    with open(out) as f:
        for line in f:
            fields = line.split()
            if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != 'total':
                counts[fields[-1]] = int(fields[3])
    return {name: count / done for name, count in counts.items() if count / done >= 0.005}, done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--proxy', default=os.path.join(compare.TREE, 'artifacts/bin/mesh-proxy'))
    parser.add_argument('--istiod', default=os.path.join(compare.TREE, 'artifacts/bin/mesh-istiod'))
    parser.add_argument('--also', nargs='*', default=[], metavar='NAME=PATH')
    parser.add_argument('--scenario', nargs='*', default=['h1'], choices=['h1', 'pair'])
    parser.add_argument('--peer', nargs='*', default=['haproxy', 'nginx', 'envoy', 'mesh'])
    parser.add_argument('--rate', type=int, default=1000)
    parser.add_argument('--seconds', type=int, default=5)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--realtime', action='store_true')
    parser.add_argument('--syscalls', action='store_true')
    parser.add_argument('--generate', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--host', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        generate(options.generate, options.rate, options.seconds, options.host)
        return
    work = tempfile.mkdtemp(prefix='mesh-latency-')
    bench = compare.Bench(options, work)
    names = options.peer + [pair.split('=', 1)[0] for pair in options.also]
    try:
        for scenario in options.scenario:
            rows = {}
            for _ in range(options.rounds):
                direct = run(bench, bench.origin, 'h1', options.rate, options.seconds)
                rows.setdefault('direct', []).append([percentile(direct, share) for share in (.5, .99, .999)] + [0])
                for name in names:
                    started = bench.start(scenario, name)
                    if started is None:
                        continue
                    processes, port = started
                    try:
                        pids = [pid for p in processes for pid in compare.family(p.pid)]
                        if options.realtime:
                            compare.prefer(pids)
                        before = sum(compare.cpu_seconds(pids))
                        took = run(bench, port, scenario, options.rate, options.seconds)
                        # The second of warming up is in the CPU, not in the log.
                        cpu = (sum(compare.cpu_seconds(pids)) - before) / ((options.seconds + WARM) * options.rate) * 1e6
                        rows.setdefault(name, []).append([percentile(took, share) - percentile(direct, share) for share in (.5, .99, .999)] + [cpu])
                        if options.syscalls and len(rows[name]) == 1:
                            calls, done = system_calls(bench, pids, port, scenario)
                            print(f'  {name}: {sum(calls.values()):.2f} system calls a request ({done} requests): ' + ', '.join(f'{k} {v:.2f}' for k, v in sorted(calls.items(), key=lambda c: -c[1])))
                    finally:
                        for p in processes:
                            bench.processes.stop(p)
            print(f'{scenario} at {options.rate} requests/s: added p50, p99, p99.9 in us; CPU-us per request; load average {os.getloadavg()[0]:.1f}')
            for name, rounds in rows.items():
                middle = [statistics.median(row[i] for row in rounds) for i in range(4)]
                spread = [f'{min(row[i] for row in rounds):.0f}-{max(row[i] for row in rounds):.0f}' for i in range(4)]
                print(f'  {name:8} ' + '   '.join(f'{m:6.0f} [{s}]' for m, s in zip(middle, spread)))
            sys.stdout.flush()
    finally:
        bench.processes.stop_all()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
