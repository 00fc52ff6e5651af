#!/usr/bin/env bash
# The transport alone beside nginx and HAProxy: CPU of the proxy's process over what it carried, proxies on core 0, everybody else on core 1.
# Needs nginx, haproxy, wrk, openssl (Debian packages) and two cores. usage: [MESH_NETBENCH=a build that is there] bench/Net/compare.sh [rounds]
set -euo pipefail
rounds=${1:-3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()
finish() { kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

ours=${MESH_NETBENCH:-$work/bin/mesh-netbench}
[ -n "${MESH_NETBENCH:-}" ] || dotnet publish "$here/Mesh.NetBench.csproj" -c Release -v q -clp:ErrorsOnly -o "$work/bin" >"$work/publish.log" || { cat "$work/publish.log"; exit 1; }

cd "$work"
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=ca -days 2 -out ca.pem
openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
openssl req -new -key leaf.key -subj /O=bench -out leaf.csr
printf 'subjectAltName=URI:spiffe://cluster.local/ns/a/sa/b\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' >ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile ext -out leaf.pem 2>/dev/null
cat leaf.pem leaf.key >both.pem

read -r origin sink haHttp haTcp haOut haIn haBulk haBulkIn relay relaySink out in outSink inSink nginxTls nginxAgain oursTls oursAgain hold <<<"$($ours ports 19)"
cat >haproxy.cfg <<C
global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
listen http
  bind 127.0.0.1:$haHttp
  server s 127.0.0.1:$origin
listen out
  bind 127.0.0.1:$haOut
  server s 127.0.0.1:$haIn ssl verify required ca-file ca.pem crt both.pem
listen in
  bind 127.0.0.1:$haIn ssl crt both.pem ca-file ca.pem verify required
  server s 127.0.0.1:$origin
listen tcp
  mode tcp
  option splice-auto
  bind 127.0.0.1:$haTcp
  server s 127.0.0.1:$sink
listen bulk
  mode tcp
  bind 127.0.0.1:$haBulk
  server s 127.0.0.1:$haBulkIn ssl verify required ca-file ca.pem crt both.pem
listen bulkin
  mode tcp
  bind 127.0.0.1:$haBulkIn ssl crt both.pem ca-file ca.pem verify required
  server s 127.0.0.1:$sink
C
cat >nginx.conf <<C
daemon off; master_process off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.err;
events { worker_connections 20000; }
http { access_log off;
  server { listen 127.0.0.1:$nginxTls ssl backlog=4096; ssl_certificate leaf.pem; ssl_certificate_key leaf.key; ssl_client_certificate ca.pem; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off; location / { return 200 "x"; } }
  server { listen 127.0.0.1:$nginxAgain ssl backlog=4096; ssl_certificate leaf.pem; ssl_certificate_key leaf.key; ssl_client_certificate ca.pem; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_session_tickets on; location / { return 200 "x"; } } }
C

start() { local core=$1; shift; taskset -c "$core" "$@" >>"$work/log" 2>&1 & pids+=($!); started=$!; }
start 1 "$ours" origin . "$origin"
start 1 "$ours" sink . "$sink"
start 0 haproxy -f haproxy.cfg -db; haproxy=$started
start 0 nginx -p "$work" -c "$work/nginx.conf"; nginx=$started
start 0 "$ours" relay . "$relay" "$origin"; ourRelay=$started
start 0 "$ours" relay . "$relaySink" "$sink"; ourBulk=$started
start 0 "$ours" secure-out . "$out" "$in"; ourOut=$started
start 0 "$ours" secure-in . "$in" "$origin"; ourIn=$started
start 0 "$ours" secure-out . "$outSink" "$inSink"; ourBulkOut=$started
start 0 "$ours" secure-in . "$inSink" "$sink"; ourBulkIn=$started
start 0 "$ours" secure-origin . "$oursTls"; ourTls=$started
start 0 "$ours" secure-origin-again . "$oursAgain"; ourAgain=$started
start 0 "$ours" sink . "$hold"; ourHold=$started
for port in $origin $sink $haHttp $nginxTls $relay $out $in $oursTls $oursAgain $nginxAgain $hold; do
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
done

cpu() { cat $(printf '/proc/%s/task/*/schedstat ' "$@") | awk '{s += $1} END {printf "%.0f", s}'; }
report() { awk -v n="$1" -v t="$2" -v c="$3" -v d="$4" -v u="$5" 'BEGIN {printf "%-28s %-10s %8.2f %s\n", n, t, c / d, u}'; }
requests() { # name, who, port, pids
  local name=$1 who=$2 port=$3 before count; shift 3
  taskset -c 1 wrk -t1 -c64 -d1s "http://127.0.0.1:$port/" >/dev/null
  before=$(cpu "$@"); count=$(taskset -c 1 wrk -t1 -c64 -d3s "http://127.0.0.1:$port/" | awk '/requests in/ {print $1}')
  report "$name" "$who" $(($(cpu "$@") - before)) $((count * 1000)) "us/request"
}
bulk() { local name=$1 who=$2 port=$3 before; shift 3; before=$(cpu "$@"); taskset -c 1 "$ours" push . "$port" 1000; report "$name" "$who" $(($(cpu "$@") - before)) 8388608 "ms/Gbit"; }
again() { local who=$1 port=$2 pid=$3 before; before=$(cpu "$pid"); taskset -c 1 "$ours" shake-again . "$port" 1000; report "resumed handshake" "$who" $(($(cpu "$pid") - before)) 1000000000 "ms"; }
shakes() { local who=$1 port=$2 pid=$3 before; before=$(cpu "$pid"); taskset -c 1 "$ours" shake . "$port" 300; report "full mutual handshake" "$who" $(($(cpu "$pid") - before)) 300000000 "ms"; }

for _ in $(seq "$rounds"); do
  requests "relay under HTTP/1.1" haproxy "$haHttp" "$haproxy"; requests "relay under HTTP/1.1" ours "$relay" "$ourRelay"
  requests "mTLS pair" haproxy "$haOut" "$haproxy"; requests "mTLS pair" ours "$out" "$ourOut" "$ourIn"
  bulk "TCP bulk" haproxy "$haTcp" "$haproxy"; bulk "TCP bulk" ours "$relaySink" "$ourBulk"
  bulk "mTLS bulk, pair" haproxy "$haBulk" "$haproxy"; bulk "mTLS bulk, pair" ours "$outSink" "$ourBulkOut" "$ourBulkIn"
  shakes nginx "$nginxTls" "$nginx"; shakes ours "$oursTls" "$ourTls"
  again nginx "$nginxAgain" "$nginx"; again ours "$oursAgain" "$ourAgain"
done

resident() { awk '/VmRSS/ {print $2}' "/proc/$1/status"; }
idle() { # name, port, pid, plain or tls
  local before; before=$(resident "$3"); coproc HOLD { exec "$ours" hold . "$2" 5000 "$4"; }
  pids+=("$HOLD_PID"); read -r _ <&"${HOLD[0]}"
  report "5,000 idle connections" "$1" $((($(resident "$3") - before) * 1024)) 5000 "bytes each"; kill "$HOLD_PID"; wait "$HOLD_PID" 2>/dev/null || true
}
idle "plain" "$hold" "$ourHold" plain
idle "TLS" "$oursTls" "$ourTls" tls
idle "nginx TLS" "$nginxTls" "$nginx" tls
