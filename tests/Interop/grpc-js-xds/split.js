// A gRPC client that knows xDS and nothing of us: does the control plane's 80/20 split reach it, and a change of weights?
// usage: node split.js CONTROL-PLANE-PROGRAM        (npm install first; loopback only)
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const program = process.argv[2];
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'mesh-grpc-js-'));
const folder = path.join(work, 'config');
fs.mkdirSync(folder);
const calls = 400;

const bootstrap = address => JSON.stringify({
  xds_servers: [{ server_uri: address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
  node: { id: 'sidecar~127.0.0.1~caller.demo~demo.svc.cluster.local', locality: { region: 'r', zone: 'z', sub_zone: '' }, metadata: { GENERATOR: 'grpc', NAMESPACE: 'demo' } },
});

const resources = (port, v1) => [
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo', namespace: 'demo' }, spec: { clusterIP: '10.96.0.9', ports: [{ name: 'grpc', port }] } },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'echo-1', namespace: 'demo', labels: { 'kubernetes.io/service-name': 'echo' } },
    addressType: 'IPv4', ports: [{ name: 'grpc', port }], endpoints: ['v1', 'v2'].map((v, i) => (
      { addresses: [`127.0.0.${i + 2}`], conditions: { ready: true }, targetRef: { kind: 'Pod', name: `echo-${v}`, namespace: 'demo' } })) },
  ...['v1', 'v2'].map((v, i) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: `echo-${v}`, namespace: 'demo', labels: { version: v } },
    spec: { containers: [{ name: 'a', image: 'a' }] }, status: { phase: 'Running', podIP: `127.0.0.${i + 2}` } })),
  { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'echo', namespace: 'demo' },
    spec: { host: 'echo', subsets: ['v1', 'v2'].map(v => ({ name: v, labels: { version: v } })) } },
  { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'echo', namespace: 'demo' },
    spec: { hosts: ['echo'], http: [{ route: [{ destination: { host: 'echo', subset: 'v1' }, weight: v1 }, { destination: { host: 'echo', subset: 'v2' }, weight: 100 - v1 }] }] } },
];

function write(port, v1) {
  const file = path.join(folder, 'echo.yaml');
  fs.writeFileSync(file + '.next', resources(port, v1).map(r => JSON.stringify(r)).join('\n---\n'));
  fs.renameSync(file + '.next', file);
}

async function main() {
  const addresses = path.join(work, 'addresses');
  const control = spawn(program, ['--folder', folder, '--grpcAddr', '127.0.0.1:0', '--secureGrpcAddr', 'none', '--httpAddr', '127.0.0.1:0', '--monitoringAddr', 'none',
    '--address-file', addresses], { stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    while (!fs.existsSync(addresses) || fs.readFileSync(addresses, 'utf8').split('\n').length < 3) await new Promise(r => setTimeout(r, 50));
    const doors = Object.fromEntries(fs.readFileSync(addresses, 'utf8').trim().split('\n').map(l => l.split(' ')));
    process.env.GRPC_XDS_BOOTSTRAP_CONFIG = bootstrap(doors.grpc.replace('http://', ''));
    const grpc = require('@grpc/grpc-js');
    require('@grpc/grpc-js-xds').register();

    const bytes = { requestSerialize: b => b, requestDeserialize: b => b, responseSerialize: b => b, responseDeserialize: b => b };
    const say = { path: '/echo.Echo/Say', requestStream: false, responseStream: false, ...bytes };
    const servers = [];
    let port = 0;
    for (const [i, v] of ['v1', 'v2'].entries()) {
      const server = new grpc.Server();
      server.addService({ Say: say }, { Say: (call, reply) => reply(null, Buffer.from(v)) });
      port = await new Promise((ok, no) => server.bindAsync(`127.0.0.${i + 2}:${port}`, grpc.ServerCredentials.createInsecure(), (e, p) => e ? no(e) : ok(p)));
      servers.push(server);
    }
    write(port, 80);

    const Client = grpc.makeGenericClientConstructor({ Say: say }, 'Echo');
    const client = new Client(`xds:///echo.demo.svc.cluster.local:${port}`, grpc.credentials.createInsecure());
    const one = () => new Promise((ok, no) => client.Say(Buffer.alloc(0), { deadline: Date.now() + 10000 }, (e, r) => e ? no(e) : ok(r.toString())));
    const share = async () => {
      const seen = { v1: 0, v2: 0 };
      for (let i = 0; i < calls; i++) seen[await one()]++;
      return seen;
    };
    const before = await share();
    console.log('80/20:', before);
    write(port, 10);
    await fetch(`${doors.http}/debug/flush`, { method: 'POST' });
    let after;
    for (let i = 0; i < 20; i++) {
      after = await share();
      if (after.v1 < calls * 0.2) break;
    }
    console.log('10/90:', after);
    const good = Math.abs(before.v1 - calls * 0.8) < calls * 0.1 && Math.abs(after.v1 - calls * 0.1) < calls * 0.1;
    console.log(good ? 'passed' : 'FAILED');
    process.exitCode = good ? 0 : 1;
    client.close();
    for (const server of servers) server.forceShutdown();
  } finally {
    control.kill('SIGTERM');
    fs.rmSync(work, { recursive: true, force: true });
  }
}

main().catch(e => { console.error(e.message); process.exitCode = 1; });
