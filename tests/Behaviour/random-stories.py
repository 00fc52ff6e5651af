#!/usr/bin/env python3
"""Random but valid configurations with calls, as stories without `expect:`: what a stock Envoy does with them under our control plane is what our proxy must do.

  ./random-stories.py FOLDER --seed 7 --count 60
  ./run-apart.sh a record FOLDER --opt proxy=envoy
  ./run-apart.sh a check  FOLDER

The same seed gives the same stories. Nothing in them depends on time: no delays, no timeouts, no ejections.
"""
import argparse
import os
import random

import yaml

HOSTS = ['backend.demo.svc.cluster.local', 'backend', 'backend.demo', 'backend.demo.svc', 'BACKEND.demo']
PATHS = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/A/b', '/x', '/x/y.html', '/x%2Fy', '//a', '/a//b', '/a/../x', '/a/./b', '/x;v=1', '/status/503', '/status/404', '/set/x-own/1']
QUERIES = ['', '', '', '?q=1', '?q=', '?q', '?k=v&q=2', '?q=1&q=2', '?Q=1', '?r=%31']
HEADERS = {'x-user': ['ann', 'bob', 'annabel', 'ann,bob', ['ann', 'bob'], ''], 'x-flag': ['on', 'ON', 'off'], 'user-agent': ['curl', 'test/1.0'], 'cookie': ['a=1', 'a=1; user=ann']}
METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']


yaml.SafeDumper.add_representer(str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style='|' if '\n' in text else None))


class Story:
    def __init__(self, number, chance):
        self.number, self.chance, self.objects = number, chance, []

    def maybe(self, share):
        return self.chance.random() < share

    def one(self, of):
        return self.chance.choice(of)

    def text_match(self, values, regexes):
        kind = self.one(['exact', 'prefix', 'regex'])
        return {kind: self.one(regexes) if kind == 'regex' else self.one(values)}

    def path_match(self):
        kind = self.one(['exact', 'prefix', 'prefix', 'regex'])
        if kind == 'regex':
            return {'regex': self.one(['/a.*', '/[ab]+', '.*b', '/a/b/?', '/(a|x)(/.*)?', '/x.y.*', '.*', '/a'])}
        return {kind: self.one(['/a', '/a/', '/a/b', '/x', '/', '/A', '/x/y.html', '/status'])}

    def match(self):
        made = {}
        if self.maybe(.7):
            made['uri'] = self.path_match()
            if self.maybe(.2):
                made['ignoreUriCase'] = True
        if self.maybe(.25):
            made['headers'] = {self.one(['x-user', 'x-flag', 'X-User']): self.header_match()}
        if self.maybe(.12):
            made['withoutHeaders'] = {self.one(['x-user', 'x-flag']): self.header_match()}
        if self.maybe(.15):
            made['queryParams'] = {self.one(['q', 'k', 'r']): self.one([{'exact': '1'}, {'exact': ''}, {'prefix': '1'}, {'regex': '[0-9]'}, {'regex': '.*'}, {}])}
        if self.maybe(.12):
            made['method'] = self.one([{'exact': 'GET'}, {'regex': 'P.*'}, {'prefix': 'P'}, {'exact': 'get'}])
        if self.maybe(.08):
            made['authority'] = self.one([{'exact': 'backend.demo:8080'}, {'prefix': 'backend'}, {'regex': 'backend.*'}, {'exact': 'backend.demo'}])
        if self.maybe(.06):
            made['scheme'] = self.one([{'exact': 'http'}, {'exact': 'https'}])
        if self.maybe(.08):
            made['port'] = self.one([8080, 8081])
        if self.maybe(.08):
            made['sourceLabels'] = self.one([{'app': 'client'}, {'app': 'other'}, {'app': 'client', 'version': 'v2'}])
        if self.maybe(.05):
            made['sourceNamespace'] = self.one(['demo', 'other'])
        if self.maybe(.15):
            made['name'] = self.one(['m1', 'm2'])
        return made or {'uri': {'prefix': '/'}}

    def header_match(self):
        return self.one([{'exact': 'ann'}, {'prefix': 'ann'}, {'regex': 'an+'}, {'regex': 'ann.*'}, {'exact': 'on'}, {}, {'exact': 'ann,bob'}])

    def changes(self, who):
        made = {}
        for side in ('request', 'response'):
            if not self.maybe(.6):
                continue
            change = {}
            if self.maybe(.6):
                change['set'] = {self.one(['x-user', 'x-new', 'x-flag']): f'{who}-set'}
            if self.maybe(.5):
                change['add'] = {self.one(['x-user', 'x-new', 'x-more']): f'{who}-add'}
            if self.maybe(.4):
                change['remove'] = [self.one(['x-flag', 'x-user', 'x-own', 'x-new'])]
            if side == 'request' and self.maybe(.12):
                change.setdefault('set', {})['host'] = f'{who}.example'
            if change:
                made[side] = change
        return made

    def destination(self):
        made = {'host': self.one(['backend', 'backend.demo.svc.cluster.local', 'backend', 'other.other.svc.cluster.local', 'client'])}
        if 'backend' in made['host'] and self.maybe(.75):
            made['subset'] = self.one(['v1', 'v2', 'v1', 'v2', 'none'])
        if self.maybe(.3):
            made['port'] = {'number': self.one([8080, 8080, 8081, 7777])}
        return made

    def rule(self, last):
        made = {}
        if self.maybe(.3):
            made['name'] = self.one(['r1', 'r2', 'r3'])
        if not last or self.maybe(.4):
            made['match'] = [self.match() for _ in range(self.one([1, 1, 2]))]
        kind = self.one(['route'] * 6 + ['redirect', 'directResponse'])
        if kind == 'redirect':
            redirect = {}
            if self.maybe(.6):
                redirect['uri'] = self.one(['/new', '/new?z=1', '/'])
            if self.maybe(.5):
                redirect['authority'] = self.one(['there.example', 'there.example:8443'])
            if self.maybe(.4):
                redirect['scheme'] = self.one(['https', 'http'])
            if self.maybe(.4):
                redirect['port'] = self.one([80, 443, 8443])
            elif self.maybe(.3):
                redirect['derivePort'] = self.one(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'])
            if self.maybe(.4):
                redirect['redirectCode'] = self.one([301, 302, 303, 307, 308])
            made['redirect'] = redirect or {'uri': '/new'}
        elif kind == 'directResponse':
            made['directResponse'] = {'status': self.one([200, 204, 418, 503, 404]), 'body': {'string': 'direct'}}
        else:
            made['route'] = [{'destination': self.destination()} for _ in range(self.one([1, 1, 1, 2]))]
            if len(made['route']) > 1:
                share = self.one([0, 100])
                made['route'][0]['weight'], made['route'][1]['weight'] = share, 100 - share
            for target in made['route']:
                if self.maybe(.25):
                    target['headers'] = self.changes('destination')
            if self.maybe(.25):
                made['rewrite'] = self.one([{'uri': '/r'}, {'uri': '/'}, {'authority': 'rewritten.example'}, {'uri': '/r/', 'authority': 'rewritten.example'},
                                            {'uriRegexRewrite': {'match': '^/([a-z]+)', 'rewrite': '/\\1\\1'}}])
            if self.maybe(.25):
                made['retries'] = self.one([{'attempts': 0}, {'attempts': 1, 'retryOn': '5xx'}, {'attempts': 2, 'retryOn': '503'}, {'attempts': 3, 'retryOn': 'gateway-error'},
                                            {'attempts': 2, 'retryOn': 'connect-failure,404'}])
            if self.maybe(.12):
                made['fault'] = {'abort': {'httpStatus': self.one([418, 503]), 'percentage': {'value': self.one([0, 100])}}}
            if self.maybe(.15):
                made['corsPolicy'] = {'allowOrigins': [self.one([{'exact': 'https://a.example'}, {'prefix': 'https://a'}, {'regex': '.*example'}])],
                                      'allowMethods': ['GET', 'POST'], 'allowCredentials': self.maybe(.5)}
                if self.maybe(.4):
                    made['corsPolicy'].update({'allowHeaders': ['x-user'], 'exposeHeaders': ['x-own'], 'maxAge': '60s'})
            if self.maybe(.1):
                made['mirror'] = {'host': 'other.other.svc.cluster.local'}
        if made.get('directResponse') is None and self.maybe(.25):
            made['headers'] = self.changes('rule')
        return {k: v for k, v in made.items() if v != {}}

    def add(self, kind, name, spec, namespace='demo', labels=None):
        self.objects.append({'apiVersion': 'networking.istio.io/v1', 'kind': kind, 'metadata': {'name': name, 'namespace': namespace, **({'labels': labels} if labels else {})}, 'spec': spec})

    def balancer(self):
        return self.one([{'simple': 'ROUND_ROBIN'}, {'simple': 'RANDOM'}, {'simple': 'LEAST_REQUEST'}, {'consistentHash': {'httpHeaderName': 'x-user'}},
                         {'consistentHash': {'httpQueryParameterName': 'q', 'maglev': {'tableSize': 1009}}}, {'consistentHash': {'httpCookie': {'name': 'sid', 'ttl': '0s'}}}])

    def pool(self):
        return self.one([{'http': {'maxRequestsPerConnection': 1}}, {'http': {'h2UpgradePolicy': 'UPGRADE'}}, {'http': {'useClientProtocol': True}}, {'tcp': {'maxConnections': 50}},
                         {'http': {'h2UpgradePolicy': 'DO_NOT_UPGRADE', 'http2MaxRequests': 100}}])

    def policy(self):
        made = {}
        if self.maybe(.5):
            made['loadBalancer'] = self.balancer()
        if self.maybe(.4):
            made['connectionPool'] = self.pool()
        if self.maybe(.15):
            made['tls'] = {'mode': self.one(['ISTIO_MUTUAL', 'DISABLE'])}
        return made

    def configure(self):
        hosts = self.one([['backend'], ['backend.demo.svc.cluster.local'], ['backend', 'other.other.svc.cluster.local'], ['*.demo.svc.cluster.local'], ['backend', 'ext.example.com']])
        count = self.one([1, 2, 3, 4])
        self.add('VirtualService', 'backend', {'hosts': hosts, 'http': [self.rule(i == count - 1) for i in range(count)]})
        if self.maybe(.25):
            self.add('VirtualService', 'second', {'hosts': [self.one(['backend', 'other.other.svc.cluster.local', '*.svc.cluster.local', 'client'])], 'http': [self.rule(True)]})
        subsets = [{'name': v, 'labels': {'version': v}} for v in ('v1', 'v2')]
        for subset in subsets:
            policy = self.policy() if self.maybe(.3) else {}
            if self.maybe(.1):
                policy['portLevelSettings'] = [{'port': {'number': 8080}, **(self.policy() or {'connectionPool': self.pool()})}]
            if policy:
                subset['trafficPolicy'] = policy
        rule = {'host': self.one(['backend', 'backend.demo.svc.cluster.local', '*.demo.svc.cluster.local']), 'subsets': subsets}
        policy = self.policy()
        if self.maybe(.2):
            policy['portLevelSettings'] = [{'port': {'number': self.one([8080, 8081])}, **(self.policy() or {'loadBalancer': self.balancer()})}]
        if policy:
            rule['trafficPolicy'] = policy
        self.add('DestinationRule', 'backend', rule)
        if self.maybe(.35):
            resolution = self.one(['STATIC', 'DNS', 'NONE'])
            entry = {'hosts': ['ext.example.com'], 'location': 'MESH_EXTERNAL', 'resolution': resolution, 'ports': [{'number': 8080, 'name': 'http', 'protocol': 'HTTP'}]}
            if resolution == 'STATIC':
                entry['endpoints'] = [{'address': '10.77.0.16'}]
            if self.maybe(.3):
                entry['exportTo'] = [self.one(['.', '*', 'other'])]
            self.add('ServiceEntry', 'ext', entry)
        if self.maybe(.25):
            sidecar = {'egress': [{'hosts': self.one([['./*'], ['*/*'], ['demo/*', 'other/*'], ['./backend.demo.svc.cluster.local', 'istio-system/*'], ['~/*']])}]}
            if self.maybe(.5):
                sidecar['outboundTrafficPolicy'] = {'mode': self.one(['REGISTRY_ONLY', 'ALLOW_ANY'])}
            self.add('Sidecar', 'default', sidecar)

    def call(self, number):
        target = self.one(['backend.demo:8080'] * 6 + ['backend.demo:8081', 'other.other:8080', 'ext.example.com:8080', 'client.demo:8080'])
        call = {'url': f'http://{target}{self.one(PATHS)}{self.one(QUERIES)}'}
        method = self.one(METHODS)
        if method != 'GET':
            call['method'] = method
        if method in ('POST', 'PUT'):
            call['body'] = 'hello'
        headers = {name: self.one(values) for name, values in HEADERS.items() if self.maybe(.25)}
        if method == 'OPTIONS' or self.maybe(.1):
            headers['origin'] = self.one(['https://a.example', 'https://b.test'])
            if self.maybe(.7):
                headers['access-control-request-method'] = 'GET'
        if headers:
            call['headers'] = headers
        if 'backend' in target and self.maybe(.25):
            call['host'] = self.one(HOSTS) + self.one(['', ':8080', ':9'])
        if self.maybe(.2):
            call['http'] = '2'
        return {'name': f'call-{number}', 'from': 'client', 'call': call,
                'check': ['status', 'pod', 'upstream.path', 'upstream.method', 'upstream.authority', 'upstream.headers', 'response.headers', 'attempts', 'flags']}

    def write(self, folder, calls):
        self.configure()
        story = {'name': f'random-{self.number:03}', 'area': 'traffic', 'about': f'Random story {self.number}.', 'refs': [],
                 'config': '---\n'.join(yaml.safe_dump(one, sort_keys=False) for one in self.objects), 'steps': [self.call(i) for i in range(calls)]}
        with open(os.path.join(folder, f'{story["name"]}.yaml'), 'w', encoding='utf-8') as file:
            yaml.safe_dump(story, file, sort_keys=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=60)
    parser.add_argument('--calls', type=int, default=12)
    given = parser.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    for number in range(given.count):
        Story(number, random.Random(given.seed * 100_003 + number)).write(given.folder, given.calls)


if __name__ == '__main__':
    main()
