"""Adapter for this mesh: its control plane on a folder of YAML, and per pod either its own proxy or a stock Envoy.

Options (--opt name=value)
  proxy     mesh (default) or envoy: who stands in the pods
  envoy     the Envoy binary, for proxy=envoy (or MESH_ENVOY in the environment)
  control   the control-plane program; default: what the tree has built
  sidecar   the proxy program, for proxy=mesh; default: what the tree has built
  verbose   1: the control plane logs what it does
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import yaml

from adapters import Adapter as Base
from rig import HERE, PROXY_UID

TREE = os.path.dirname(os.path.dirname(HERE))
API = '127.0.0.1:18081'
GAUGES = re.compile(r'(warming_clusters|total_listeners_warming|total_listeners_draining|total_filter_chains_draining|server\.state): (\d+)')


def built(project, program):
    """The newest build of a program, whatever its configuration."""
    found = []
    for folder, _, files in os.walk(os.path.join(TREE, 'src', project, 'bin')):
        if program in files and 'publish' not in folder and os.access(os.path.join(folder, program), os.X_OK):
            found.append(os.path.join(folder, program))
    if not found:
        raise SystemExit(f'{program} is not built: dotnet build src/{project}')
    return max(found, key=os.path.getmtime)


class LocalHttp(http.client.HTTPConnection):
    """HTTP over a Unix socket, or at an address inside a pod's network."""

    def __init__(self, path):
        super().__init__('localhost', timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


class Adapter(Base):
    def __init__(self, rig, options):
        super().__init__(rig, options)
        self.own = options.get('proxy', 'mesh') == 'mesh'
        self.program = options.get('control') or built('ControlPlane', 'mesh-istiod')
        self.sidecar = (options.get('sidecar') or built('Proxy', 'mesh-proxy')) if self.own else self.envoy_program()
        self.running, self.errors, self.born = set(), {}, 0

    def envoy_program(self):
        path = self.options.get('envoy') or os.environ.get('MESH_ENVOY')
        if not path:
            raise SystemExit('proxy=envoy needs --opt envoy=PATH or MESH_ENVOY')
        return path

    # -- control plane

    def start(self, mesh):
        rig = self.rig
        self.folder, self.state = rig.path('run', 'config'), rig.path('run', 'state')
        for d in (self.folder, self.state):
            os.makedirs(d, exist_ok=True)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.chmod(rig.path('run'), 0o777)
        self.mesh = mesh
        self.write_mesh()
        self.xds = f"{rig.topology['network']['bridge']}:15010"
        argv = [self.program, '--folder', self.folder, '--state', self.state, '--meshConfig', rig.path('run', 'mesh.yaml'), '--grpcAddr', self.xds,
                '--secureGrpcAddr', 'none', '--httpAddr', API, '--monitoringAddr', 'none', '--local-sds', rig.path('run', 'sds.sock'), '--debounce', '10ms']
        if self.options.get('verbose'):
            argv.append('--verbose')
        rig.spawn('control', argv, None)
        end = time.time() + 60
        while not self.ready():
            if rig.procs['control'].poll() is not None or time.time() > end:
                raise RuntimeError(f"the control plane is not ready, see {rig.path('log', 'control.log')}")
            time.sleep(0.1)
        os.chmod(rig.path('run', 'sds.sock'), 0o666)
        bad = [r for r in self.apply(yaml.safe_dump_all(rig.kubernetes)) if r['action'] == 'rejected']
        if bad:
            raise RuntimeError(f'base objects refused: {bad}')
        for pod, p in rig.pods.items():
            if p['kind'] in ('sidecar', 'gateway'):
                self.start_sidecar(pod, wait=False)
        self.settle()

    def write_mesh(self):
        with open(self.rig.path('run', 'mesh.yaml'), 'w') as f:
            yaml.safe_dump(self.mesh, f)

    def ready(self):
        try:
            return urllib.request.urlopen(f'http://{API}/ready', timeout=2).status == 200
        except OSError:
            return False

    def call(self, path, method='GET'):
        request = urllib.request.Request(f'http://{API}{path}', method=method)
        with urllib.request.urlopen(request, timeout=30) as r:
            return json.loads(r.read())

    def set_mesh(self, mesh):
        if mesh == self.mesh:
            return
        self.mesh = mesh
        pods = list(self.running)
        for pod in pods:
            self.stop_sidecar(pod)
        self.write_mesh()
        self.call('/debug/flush', 'POST')
        for pod in pods:
            self.start_sidecar(pod, wait=False)
        self.settle()

    def apply(self, text):
        """Writes each object to a file of its own and asks what of it was refused; a refused one is taken back, as an API server would not have stored it."""
        results, written = [], {}
        for o in yaml.safe_load_all(text):
            if not isinstance(o, dict):
                continue
            meta = o['metadata']
            name = f"{o['kind']}/{meta.get('namespace', '')}/{meta['name']}"
            path = self.file_of(o)
            before = open(path).read() if os.path.exists(path) else None
            if 'creationTimestamp' not in meta:
                kept = yaml.safe_load(before)['metadata']['creationTimestamp'] if before else None
                meta['creationTimestamp'] = kept or self.next_birth()
            with open(path + '.next', 'w') as f:
                yaml.safe_dump(o, f, sort_keys=False)
            os.replace(path + '.next', path)
            written[os.path.basename(path)] = (name, path, before)
            results.append({'object': name, 'action': 'configured' if before else 'created'})
        refused = self.call('/debug/flush', 'POST')['refused']
        messages = {}
        for r in refused:
            if r['file'] in written:
                where = f"{r['field']}: " if r['field'] else ''
                messages.setdefault(written[r['file']][0], []).append(where + r['message'])
        if not messages:
            return results
        for name, path, before in written.values():
            if name not in messages:
                continue
            if before is None:
                os.unlink(path)
            else:
                with open(path, 'w') as f:
                    f.write(before)
        self.call('/debug/flush', 'POST')
        return [{**r, 'action': 'rejected', 'message': '; '.join(messages[r['object']])} if r['object'] in messages else r for r in results]

    def delete(self, text):
        results = []
        for o in yaml.safe_load_all(text):
            if not isinstance(o, dict):
                continue
            path = self.file_of(o)
            if os.path.exists(path):
                os.unlink(path)
                results.append({'object': f"{o['kind']}/{o['metadata'].get('namespace', '')}/{o['metadata']['name']}", 'action': 'deleted'})
        self.call('/debug/flush', 'POST')
        return results

    def file_of(self, o):
        group = o['apiVersion'].split('/')[0] if '/' in o['apiVersion'] else 'core'
        meta = o['metadata']
        return os.path.join(self.folder, f"{group}.{o['kind']}.{meta.get('namespace', '')}.{meta['name']}.yaml")

    def next_birth(self):
        self.born += 1
        return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(1767225600 + self.born))

    def settle(self, drain=True):
        """Every running proxy has answered the newest configuration; nothing warms, nothing drains."""
        end = time.time() + 30
        self.call('/debug/flush', 'POST')
        while True:
            r = self.call('/debug/settled')
            ids = {p['id'].rsplit('.', 1)[0] for p in r['proxies']}
            if r['settled'] and self.running <= ids:
                self.errors = {p['id']: p['errors'] for p in r['proxies'] if p['errors']}
                if all(self.calm(pod, drain) for pod in self.running):
                    return
            if time.time() > end:
                raise RuntimeError(f'not settled: {self.unsettled(r)}')
            time.sleep(0.03)

    def unsettled(self, r):
        waiting = [p for p in r['proxies'] if not p['settled']]
        absent = sorted(self.running - {p['id'].rsplit('.', 1)[0] for p in r['proxies']})
        busy = {pod: self.inside(pod, 15021, '/healthz/ready', any_status=True) if self.own else '' for pod in sorted(self.running) if not self.calm(pod, True)}
        return json.dumps({'serial': r['serial'], 'waiting': waiting, 'absent': absent, 'busy': busy})[:800]

    def calm(self, pod, drain):
        if self.own:
            return self.calm_own(pod, drain)
        text = self.admin(pod, '/stats?filter=warming_clusters%7Ctotal_listeners_%7Cfilter_chains_draining%7Cserver.state$')
        for name, value in GAUGES.findall(text):
            if 'draining' in name and not drain:
                continue
            if value != '0':
                return False
        return bool(text)

    def calm_own(self, pod, drain):
        text = self.inside(pod, 15021, '/healthz/ready')
        return text is not None

    # -- data plane

    def admin(self, pod, path):
        for _ in range(20):
            try:
                c = LocalHttp(self.rig.path('run', f'{pod}.admin'))
                c.request('GET', path)
                return c.getresponse().read().decode('utf-8', 'replace')
            except OSError:
                time.sleep(0.05)
        return ''

    def inside(self, pod, port, path, any_status=False):
        """GET from within the pod's network; None unless 200."""
        r = subprocess.run(['ip', 'netns', 'exec', self.rig.netns(pod), 'curl', '-sS', '-m', '2'] + ([] if any_status else ['-f']) + [f'http://127.0.0.1:{port}{path}'],
                           capture_output=True, text=True)
        return r.stdout + r.stderr if any_status else r.stdout if r.returncode == 0 else None

    def access_log(self, pod):
        return self.rig.path('log', f'access-{pod}.log') if self.rig.pods[pod]['kind'] in ('sidecar', 'gateway') else None

    def pods_of(self, pod, cluster):
        return None                                    # only for recording

    def stats(self, pod):
        out = {}
        text = (self.inside(pod, 15000, '/stats') or '') if self.own else self.admin(pod, '/stats')
        for line in text.split('\n'):
            k, _, v = line.rpartition(': ')
            if k:
                out[k] = v
        return out

    def start_sidecar(self, pod, wait=True):
        (self.start_own if self.own else self.start_envoy)(pod)
        self.running.add(pod)
        if wait:
            self.settle()

    def stop_sidecar(self, pod):
        self.running.discard(pod)
        self.rig.stop(f'proxy-{pod}')

    def stop(self):
        for pod in list(self.running):
            self.stop_sidecar(pod)
        self.rig.stop('control', signal.SIGTERM)

    def token(self, p):
        r = subprocess.run([self.program, 'token', '--state', self.state, '--namespace', p['namespace'], '--service-account', p['serviceAccount']],
                           capture_output=True, text=True, check=True)
        return r.stdout.strip()

    def pod_object(self, p):
        for o in self.rig.kubernetes:
            if o['kind'] == 'Pod' and o['metadata']['name'] == p['name']:
                return o
        return {'metadata': {}}

    def proxy_settings(self):
        return {'discoveryAddress': self.xds, 'statusPort': 15020, 'proxyAdminPort': 15000, 'drainDuration': '45s', 'serviceCluster': 'istio-proxy',
                'concurrency': 2, **(self.mesh.get('defaultConfig') or {})}

    def start_own(self, pod):
        p = self.rig.pods[pod]
        meta = self.pod_object(p)['metadata']
        token = self.rig.path('run', f'{pod}.token')
        with open(token, 'w') as f:
            f.write(self.token(p))
        os.chmod(token, 0o644)
        settings = self.proxy_settings()
        environment = {
            'POD_NAME': p['name'], 'POD_NAMESPACE': p['namespace'], 'SERVICE_ACCOUNT': p['serviceAccount'], 'INSTANCE_IP': p['ip'], 'POD_IP': p['ip'],
            'ISTIO_META_WORKLOAD_NAME': p['name'], 'ISTIO_META_CLUSTER_ID': 'Kubernetes', 'ISTIO_METAJSON_LABELS': json.dumps(meta.get('labels', {})),
            'ISTIO_METAJSON_ANNOTATIONS': json.dumps(meta.get('annotations', {})), 'ISTIO_META_OWNER': f"kubernetes://apis/apps/v1/namespaces/{p['namespace']}/deployments/{p['name']}",
            'ISTIO_META_INTERCEPTION_MODE': 'REDIRECT' if p['kind'] == 'sidecar' else 'NONE', 'ISTIO_META_MESH_ID': 'cluster.local',
            'PROXY_CONFIG': json.dumps({**settings, 'controlPlaneAuthPolicy': 'NONE'}), 'ISTIO_TOKEN_PATH': token, 'TERMINATION_DRAIN_DURATION': '1s',
            'TRUST_DOMAIN': self.mesh.get('trustDomain', 'cluster.local'), 'MESH_LOCALITY': f"{p['region']}/{p['zone']}", 'PARENT_SHUTDOWN_DURATION': '1s',
            'MESH_DRAIN_DURATION': '1s', 'DOTNET_TieredPGO': '0',
            **{k: str(v) for k, v in (settings.get('proxyMetadata') or {}).items()},
        }
        role = 'router' if p['kind'] == 'gateway' else 'sidecar'
        argv = ['env'] + [f'{k}={v}' for k, v in environment.items()] + [self.sidecar, 'proxy', role]
        with open(self.access_log(pod), 'ab') as out:
            os.chmod(self.access_log(pod), 0o666)
            self.rig.spawn(f'proxy-{pod}', argv, pod, PROXY_UID, stdout=out)

    def start_envoy(self, pod):
        rig = self.rig
        boot, admin = rig.path('run', f'{pod}.json'), rig.path('run', f'{pod}.admin')
        if os.path.exists(admin):
            os.unlink(admin)
        with open(boot, 'w') as f:
            json.dump(self.bootstrap(rig.pods[pod]), f, indent=1)
        concurrency = (self.mesh.get('defaultConfig') or {}).get('concurrency', 2) or 2
        with open(self.access_log(pod), 'ab') as out:      # the proxy opens /dev/stdout again, as its own user
            os.chmod(self.access_log(pod), 0o666)
            rig.spawn(f'proxy-{pod}', [
                self.sidecar, '-c', boot, '--drain-time-s', '1', '--drain-strategy', 'immediate', '--local-address-ip-version', 'v4',
                '--file-flush-interval-msec', '30', '--disable-hot-restart', '--allow-unknown-static-fields', '-l', 'warning',
                '--concurrency', str(concurrency)], pod, PROXY_UID, stdout=out)

    def bootstrap(self, p):
        gateway = p['kind'] == 'gateway'
        meta = self.pod_object(p)['metadata']
        proxy = self.proxy_settings()
        metadata = {
            'NAME': p['name'], 'NAMESPACE': p['namespace'], 'SERVICE_ACCOUNT': p['serviceAccount'], 'LABELS': meta.get('labels', {}),
            'ANNOTATIONS': meta.get('annotations', {}), 'CLUSTER_ID': 'Kubernetes', 'INSTANCE_IPS': p['ip'], 'MESH_ID': 'cluster.local', 'ISTIO_VERSION': '1.32.0',
            'WORKLOAD_NAME': p['name'], 'OWNER': f"kubernetes://apis/apps/v1/namespaces/{p['namespace']}/deployments/{p['name']}", 'PROXY_CONFIG': proxy,
            'ENVOY_STATUS_PORT': 15021, 'ENVOY_PROMETHEUS_PORT': 15090, **(proxy.get('proxyMetadata') or {}),
        }
        if not gateway:
            metadata.update(INTERCEPTION_MODE='REDIRECT', APP_CONTAINERS='app')
        h2 = {'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions', 'explicit_http_config': {'http2_protocol_options': {}}}}

        def static(name, address):
            return {'name': name, 'type': 'STATIC', 'connect_timeout': '1s', 'typed_extension_protocol_options': h2,
                    'load_assignment': {'cluster_name': name, 'endpoints': [{'lb_endpoints': [{'endpoint': {'address': address}}]}]}}
        host, port = self.xds.split(':')
        return {
            'node': {
                'id': f"{'router' if gateway else 'sidecar'}~{p['ip']}~{p['name']}.{p['namespace']}~{p['namespace']}.svc.cluster.local",
                'cluster': f"{p['app']}.{p['namespace']}", 'locality': {'region': p['region'], 'zone': p['zone']}, 'metadata': metadata},
            'layered_runtime': {'layers': [
                {'name': 'global config', 'static_layer': {
                    'envoy.deprecated_features:envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst': True,
                    'envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update': False,
                    'envoy.reloadable_features.http_reject_path_with_fragment': False, 're2.max_program_size.error_level': '32768'}},
                {'name': 'admin', 'admin_layer': {}}]},
            'bootstrap_extensions': [{'name': 'envoy.bootstrap.internal_listener', 'typed_config': {
                '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener', 'buffer_size_kb': 64}}],
            'admin': {'address': {'pipe': {'path': self.rig.path('run', f"{p['name']}.admin")}}},
            'cluster_manager': {'enable_deferred_cluster_creation': True},
            'dynamic_resources': {
                'lds_config': {'ads': {}, 'initial_fetch_timeout': '0s', 'resource_api_version': 'V3'},
                'cds_config': {'ads': {}, 'initial_fetch_timeout': '0s', 'resource_api_version': 'V3'},
                'ads_config': {'api_type': 'DELTA_GRPC', 'set_node_on_first_message_only': True, 'transport_api_version': 'V3', 'grpc_services': [
                    {'envoy_grpc': {'cluster_name': 'xds-grpc'}, 'initial_metadata': [{'key': 'authorization', 'value': f'Bearer {self.token(p)}'}]}]}},
            'static_resources': {'clusters': [
                static('xds-grpc', {'socket_address': {'address': host, 'port_value': int(port)}}),
                static('sds-grpc', {'pipe': {'path': self.rig.path('run', 'sds.sock')}})]},
        }
