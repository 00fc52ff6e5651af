#!/usr/bin/env python3
"""How long the injecting webhook keeps pods waiting: a real control plane, asked over TLS as an API server asks. See README.md."""
import argparse
import base64
import http.client
import json
import os
import queue
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
KUBEAPI = os.path.join(HERE, '..', 'ControlPlane', 'kubeapi.py')
POD = {
    'apiVersion': 'v1', 'kind': 'Pod',
    'metadata': {'generateName': 'web-7c9f-', 'labels': {'app': 'web', 'version': 'v1', 'pod-template-hash': '7c9f'},
                 'annotations': {'prometheus.io/scrape': 'true', 'prometheus.io/port': '9090'},
                 'ownerReferences': [{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'name': 'web-7c9f', 'uid': 'u', 'controller': True}]},
    'spec': {'serviceAccountName': 'web', 'volumes': [{'name': 'data', 'emptyDir': {}}], 'containers': [
        {'name': 'app', 'image': 'app', 'ports': [{'containerPort': 8080}],
         'livenessProbe': {'httpGet': {'path': '/', 'port': 8080}}, 'readinessProbe': {'tcpSocket': {'port': 8080}}},
        {'name': 'log', 'image': 'log'}]}}


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def until(what, done, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return
        time.sleep(0.1)
    sys.exit(f'never: {what}')


def fetched(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Asker:
    """One connection that is kept, as the API server keeps its own."""

    def __init__(self, port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.http = http.client.HTTPSConnection('127.0.0.1', port, context=context, timeout=30)

    def ask(self, number):
        review = {'apiVersion': 'admission.k8s.io/v1', 'kind': 'AdmissionReview', 'request': {
            'uid': f'u{number}', 'namespace': 'shop', 'operation': 'CREATE', 'kind': {'group': '', 'version': 'v1', 'kind': 'Pod'}, 'object': POD}}
        self.http.request('POST', '/inject', json.dumps(review), {'Content-Type': 'application/json'})
        answer = json.loads(self.http.getresponse().read())['response']
        if not (answer['allowed'] and answer['uid'] == f'u{number}' and b'istio-proxy' in base64.b64decode(answer['patch'])):
            sys.exit(f'pod {number} was not injected: {answer}')


def run(port, pods, clients, rate):
    """Open loop at `rate` pods a second (a pod's time counts from when it was due), or closed loop for rate 0."""
    due, times, lock = queue.Queue(), [], threading.Lock()
    start = time.monotonic() + 0.2
    for number in range(pods):
        due.put((number, start + number / rate if rate else 0))

    def work():
        asker = Asker(port)
        while True:
            try:
                number, at = due.get_nowait()
            except queue.Empty:
                return
            now = time.monotonic()
            if at > now:
                time.sleep(at - now)
            began = at or time.monotonic()
            asker.ask(number)
            with lock:
                times.append((time.monotonic() - began) * 1000)

    workers = [threading.Thread(target=work) for _ in range(clients)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times.sort()
    return {'pods': len(times), 'clients': clients, 'per_minute': round(len(times) / (time.monotonic() - began) * 60),
            'p50_ms': round(times[len(times) // 2], 1), 'p99_ms': round(times[len(times) * 99 // 100], 1), 'max_ms': round(times[-1], 1)}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--istiod', required=True, help='the control plane, as a command')
    p.add_argument('--meshctl', required=True, help='renders the objects it reads')
    p.add_argument('--pods', type=int, default=1000)
    p.add_argument('--per-minute', type=int, default=1000)
    p.add_argument('--clients', type=int, default=20)
    o = p.parse_args()
    api_port, http_port, hook_port = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as work:
        api = subprocess.Popen([sys.executable, KUBEAPI, '--listen', f'127.0.0.1:{api_port}'])
        istiod = None
        try:
            until('the API', lambda: fetched(f'http://127.0.0.1:{api_port}/stats'))
            fill(o, api_port)
            kubeconfig = os.path.join(work, 'kubeconfig')
            with open(kubeconfig, 'w') as f:
                json.dump({'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c', 'clusters': [{'name': 'c', 'cluster': {'server': f'http://127.0.0.1:{api_port}'}}],
                           'contexts': [{'name': 'c', 'context': {'cluster': 'c', 'user': 'c'}}], 'users': [{'name': 'c', 'user': {}}]}, f)
            istiod = subprocess.Popen(shlex.split(o.istiod) + [
                '--kubeconfig', kubeconfig, '--grpcAddr', 'none', '--secureGrpcAddr', 'none', '--monitoringAddr', 'none',
                '--httpAddr', f'127.0.0.1:{http_port}', '--webhookAddr', f'127.0.0.1:{hook_port}'], stdout=subprocess.DEVNULL)
            until('the control plane', lambda: fetched(f'http://127.0.0.1:{http_port}/ready'))
            clock = (~istiod.pid << 3) | 2
            run(hook_port, 200, o.clients, 0)  # warm: the first pods meet the JIT
            for name, rate in ((f'{o.per_minute} a minute', o.per_minute / 60), ('as fast as it goes', 0)):
                cpu, busy = time.clock_gettime(clock), os.getloadavg()[0]
                result = run(hook_port, o.pods, o.clients, rate)
                result['cpu_ms_per_pod'] = round((time.clock_gettime(clock) - cpu) * 1000 / o.pods, 2)
                print(json.dumps({'what': name, **result, 'load': busy}), flush=True)
        finally:
            for process in (istiod, api):
                if process:
                    process.send_signal(signal.SIGTERM)
                    process.wait(20)


def fill(o, port):
    manifest = subprocess.run(shlex.split(o.meshctl) + ['manifest', 'generate', '--set', 'profile=minimal'], check=True, capture_output=True, text=True).stdout
    # Only what the injector reads.
    lines = [document for document in manifest.split('\n---\n') if '\nkind: ConfigMap\n' in '\n' + document]
    body = '\n'.join(json.dumps(yaml.safe_load(line)) for line in lines)
    body += '\n' + json.dumps({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'shop', 'labels': {'istio-injection': 'enabled'}}})
    urllib.request.urlopen(urllib.request.Request(f'http://127.0.0.1:{port}/bulk', body.encode(), method='POST'), timeout=30).read()


if __name__ == '__main__':
    main()
