"""Independent servers, each started here on a port of its own, each answering /sentinel with the word sentinel."""
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time

PYTHON_SERVER = '''
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self):
        length = self.headers.get('Content-Length')
        if self.headers.get('Transfer-Encoding', '').lower() == 'chunked':
            while True:
                size = int(self.rfile.readline().strip(), 16)
                self.rfile.read(size)
                if size == 0:
                    while self.rfile.readline().strip(): pass
                    break
                self.rfile.readline()
        elif length: self.rfile.read(int(length))
        body = b'sentinel' if self.path == '/sentinel' else b'ok'
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    def __getattr__(self, name):
        if name.startswith('do_'): return self.answer
        raise AttributeError(name)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()
'''
NODE_SERVER = '''
const server = require('http').createServer((q, s) => { q.resume(); q.on('end', () => s.end(q.url === '/sentinel' ? 'sentinel' : 'ok')); });
server.on('checkContinue', (q, s) => { s.writeContinue(); server.emit('request', q, s); });
server.listen(+process.argv[2], '127.0.0.1');
'''
WSGI_APP = '''
def app(environ, start):
    environ['wsgi.input'].read()
    body = b'sentinel' if environ['PATH_INFO'] == '/sentinel' else b'ok'
    start('200 OK', [('Content-Length', str(len(body)))])
    return [body]
'''
AIOHTTP_SERVER = '''
import sys
from aiohttp import web
async def answer(request):
    await request.read()
    return web.Response(text='sentinel' if request.path == '/sentinel' else 'ok')
app = web.Application(client_max_size=1 << 20)
app.router.add_route('*', '/{x:.*}', answer)
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None, access_log=None)
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait_port(port, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(('127.0.0.1', port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f'nobody listens on 127.0.0.1:{port}')


async def connect(port):
    """A server that cannot keep up with connections for a moment is asked again."""
    for _ in range(20):
        try:
            return await asyncio.open_connection('127.0.0.1', port)
        except OSError:
            await asyncio.sleep(0.2)
    return await asyncio.open_connection('127.0.0.1', port)


class Origins:
    def __init__(self, work):
        self.work, self.processes, self.names = work, [], {}

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def spawn(self, name, argv, port=None):
        log = open(os.path.join(self.work, name + '.log'), 'ab')
        self.processes.append(subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.work, start_new_session=True))
        if port:
            wait_port(port)
            self.names[name] = port

    def start(self):
        """Those whose programs are installed. Python's own is always there."""
        www = os.path.join(self.work, 'www')
        os.makedirs(www, exist_ok=True)
        for name, text in (('sentinel', 'sentinel'), ('index.html', 'ok'), ('v', 'ok')):
            self.file(os.path.join('www', name), text)
        port = free_port()
        self.spawn('python', [sys.executable, self.file('server.py', PYTHON_SERVER), str(port)], port)
        for program in ('nginx', 'haproxy', 'apache2', 'lighttpd', 'node', 'gunicorn', 'aiohttp'):
            if program == 'aiohttp' or shutil.which(program):
                getattr(self, program)(free_port(), www)
        return self.names

    def stop(self):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.terminate()
        for p in self.processes:
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def nginx(self, port, www):
        temp = ''.join(f'{k}_temp_path {os.path.join(self.work, k)}; ' for k in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        conf = self.file('nginx.conf', f'''user root; worker_processes 1; daemon off; pid {self.work}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000; {temp}
  server {{ listen 127.0.0.1:{port} backlog=1024; location = /sentinel {{ return 200 sentinel; }} location / {{ return 200 ok; }} }} }}''')
        self.spawn('nginx', ['nginx', '-p', self.work, '-c', conf], port)

    def haproxy(self, port, www):
        """Before Python's: two readers in a row."""
        conf = self.file('haproxy.cfg', f'''global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{self.names['python']}
''')
        self.spawn('haproxy', ['haproxy', '-db', '-f', conf], port)

    def apache2(self, port, www):
        modules = '/usr/lib/apache2/modules'
        conf = self.file('apache.conf', f'''ServerRoot {self.work}
PidFile {self.work}/apache.pid
ServerName localhost
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
DocumentRoot {www}
ErrorLog {self.work}/apache.error
MaxKeepAliveRequests 0
ErrorDocument 404 ok
''')
        if os.path.exists(modules):
            self.spawn('apache', ['apache2', '-f', conf, '-DFOREGROUND'], port)

    def lighttpd(self, port, www):
        """Before Python's: its own files it answers without reading a body, and closes."""
        conf = self.file('lighttpd.conf', f'''server.document-root = "{www}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 60000
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {self.names['python']})))
''')
        self.spawn('lighttpd', ['lighttpd', '-D', '-f', conf], port)

    def node(self, port, www):
        self.spawn('node', ['node', self.file('server.js', NODE_SERVER), str(port)], port)

    def gunicorn(self, port, www):
        self.file('wsgi.py', WSGI_APP)
        self.spawn('gunicorn', ['gunicorn', '--log-level', 'critical', '--threads', '8', '-w', '1', '--chdir', self.work, '-b', f'127.0.0.1:{port}', '--keep-alive', '10', 'wsgi:app'], port)

    def aiohttp(self, port, www):
        for python in ('/usr/bin/python3', sys.executable):
            if subprocess.run([python, '-c', 'import aiohttp'], capture_output=True).returncode == 0:
                self.spawn('aiohttp', [python, self.file('aio.py', AIOHTTP_SERVER), str(port)], port)
                return
