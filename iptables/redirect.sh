#!/bin/sh
# Leads a pod's traffic through the proxy. Options are istio-iptables' own; README.md draws the packet's way.
# One iptables-restore per family: all rules or none. Running it again replaces what it wrote before.
#
#   redirect.sh -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020
#   redirect.sh -n ...                 say what would be written, write nothing
#   redirect.sh --cleanup-only ...     take everything of ours away
#
# The proxy's image has no shell: there `mesh-proxy istio-iptables` writes the same rules. The tests hold the two together.
set -euf

proxy_port=15001 inbound_port=15006 tunnel_port=15008 users= groups= mode=REDIRECT mark=1337 table=133
inbound= inbound_not= outbound_ports= outbound_ports_not= ranges= ranges_not= virtual= interfaces_not=
dns=${ISTIO_META_DNS_CAPTURE:-false} all_dns=false dns_servers= drop_invalid=${INVALID_DROP:-false} dual_stack=${ISTIO_DUAL_STACK:-false}
ipv6=auto dry_run=false cleanup=false skip=false
groups_only=${ISTIO_OUTBOUND_OWNER_GROUPS:-*} groups_not=${ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE:-}
loopback4=${ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR:-127.0.0.1/32}

fail() { echo "redirect.sh: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        --*=*) option=${1%%=*} value=${1#*=} ;;
        --dry-run | -n | --cleanup-only | --redirect-dns | --capture-all-dns | --drop-invalid | --dual-stack | --skip-rule-apply | --reconcile | --force-apply | --log_as_json)
            option=$1 value=true ;;
        *)  [ $# -ge 2 ] || fail "option $1 needs a value"
            option=$1 value=$2; shift ;;
    esac
    shift
    case $option in
        -p | --envoy-port) proxy_port=$value ;;
        -z | --inbound-capture-port) inbound_port=$value ;;
        -e | --inbound-tunnel-port) tunnel_port=$value ;;
        -u | --proxy-uid) users=$value ;;
        -g | --proxy-gid) groups=$value ;;
        -m | --istio-inbound-interception-mode) mode=$value ;;
        -b | --istio-inbound-ports) inbound=$value ;;
        -d | --istio-local-exclude-ports) inbound_not=$value ;;
        -i | --istio-service-cidr) ranges=$value ;;
        -x | --istio-service-exclude-cidr) ranges_not=$value ;;
        -q | --istio-outbound-ports) outbound_ports=$value ;;
        -o | --istio-local-outbound-ports-exclude) outbound_ports_not=$value ;;
        -k | --kube-virt-interfaces) virtual=$value ;;
        -c | --istio-exclude-interfaces) interfaces_not=$value ;;
        -t | --istio-inbound-tproxy-mark) mark=$value ;;
        -r | --istio-inbound-tproxy-route-table) table=$value ;;
        --redirect-dns) dns=$value ;;
        --capture-all-dns) all_dns=$value ;;
        --dns-servers) dns_servers=$value ;;
        --drop-invalid) drop_invalid=$value ;;
        --dual-stack) dual_stack=$value ;;
        --ipv6) ipv6=$value ;;
        -n | --dry-run) dry_run=$value ;;
        --cleanup-only) cleanup=$value ;;
        --skip-rule-apply) skip=$value ;;
        --log_output_level | --log_as_json | --reconcile | --force-apply) ;;
        *) fail "unknown option $option" ;;
    esac
done
[ -n "$users" ] || users=1337
[ -n "$groups" ] || groups=$users
case $mode in REDIRECT | TPROXY) ;; *) fail "-m $mode: REDIRECT or TPROXY is wanted" ;; esac

list() { printf '%s' "$1" | tr ',' ' '; }
has_address() { ip -o "$1" addr show scope global 2>/dev/null | grep -q .; }

if [ "$ipv6" = auto ]; then
    ipv6=false
    if has_address -6 && { [ "$dual_stack" = true ] || ! has_address -4; }; then ipv6=true; fi
fi
if [ "$dns" = true ] && [ "$all_dns" != true ] && [ -z "$dns_servers" ]; then
    dns_servers=$(sed -n 's/^[[:space:]]*nameserver[[:space:]][[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/resolv.conf | tr '\n' ',')
    [ -n "$dns_servers" ] || { echo "redirect.sh: /etc/resolv.conf names no server; DNS stays as it is" >&2; dns=false; }
fi

# rule TABLE -A|-I CHAIN [POSITION] WORDS...: one line into the list of this family.
rules=
rule() {
    rules="$rules$*
"
}
ours() { case $1 in *:*) [ "$family" = 6 ] ;; *) [ "$family" = 4 ] ;; esac; }

captures_loopback() {
    for range in $(list "$ranges"); do
        case $range in 127.* | ::1/*) return 0 ;; esac
    done
    return 1
}

inbound_rules() {
    rule nat -A ISTIO_INBOUND -p tcp --dport "$tunnel_port" -j RETURN
    rule nat -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports "$proxy_port"
    rule nat -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports "$inbound_port"
    [ -n "$inbound" ] || return 0

    in=nat
    if [ "$mode" = TPROXY ]; then
        in=mangle
        rule mangle -A ISTIO_DIVERT -j MARK --set-mark "$mark"
        rule mangle -A ISTIO_DIVERT -j ACCEPT
        rule mangle -A ISTIO_TPROXY ! -d "$loopback" -p tcp -j TPROXY --tproxy-mark "$mark/0xffffffff" --on-port "$inbound_port"
    fi
    rule $in -A PREROUTING -p tcp -j ISTIO_INBOUND
    if [ "$inbound" = '*' ]; then
        for port in $(list "$inbound_not"); do rule $in -A ISTIO_INBOUND -p tcp --dport "$port" -j RETURN; done
        capture_inbound
    else
        for port in $(list "$inbound"); do capture_inbound --dport "$port"; done
    fi
}

capture_inbound() {
    if [ "$mode" = TPROXY ]; then
        rule mangle -A ISTIO_INBOUND -p tcp "$@" -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
        rule mangle -A ISTIO_INBOUND -p tcp "$@" -j ISTIO_TPROXY
    else
        rule nat -A ISTIO_INBOUND -p tcp "$@" -j ISTIO_IN_REDIRECT
    fi
}

# The proxy's own packets: to a service that turns out to be this pod they go in by the front door; all others leave as they are.
own_traffic() {
    if [ "$dns" = true ] && [ "$1" = --uid-owner ]; then
        rule nat -A ISTIO_OUTPUT -o lo ! -d "$loopback" -p tcp -m multiport ! --dports "53,$tunnel_port" -m owner "$1" "$2" -j ISTIO_IN_REDIRECT
    else
        rule nat -A ISTIO_OUTPUT -o lo ! -d "$loopback" -p tcp ! --dport "$tunnel_port" -m owner "$1" "$2" -j ISTIO_IN_REDIRECT
    fi
    if ! captures_loopback; then
        if [ "$dns" = true ]; then rule nat -A ISTIO_OUTPUT -o lo -p tcp ! --dport 53 -m owner ! "$1" "$2" -j RETURN
        else rule nat -A ISTIO_OUTPUT -o lo -m owner ! "$1" "$2" -j RETURN; fi
    fi
    rule nat -A ISTIO_OUTPUT -m owner "$1" "$2" -j RETURN
}

owner_groups() {
    if [ "$groups_only" = '*' ]; then
        for group in $(list "$groups_not"); do rule nat -A ISTIO_OUTPUT -m owner --gid-owner "$group" -j RETURN; done
    else
        none_of=
        for group in $(list "$groups_only"); do none_of="$none_of-m owner ! --gid-owner $group "; done
        rule nat -A ISTIO_OUTPUT "$none_of"-j RETURN
    fi
}

# The proxy's questions to the real servers and its answers to the application get zones of their own in connection tracking.
dns_rules() {
    servers=
    for server in $(list "$dns_servers"); do if ours "$server"; then servers="$servers $server/$host_bits"; fi; done
    rule raw -A OUTPUT -j ISTIO_OUTPUT_DNS
    if [ "$all_dns" = true ]; then
        rule nat -A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
        rule nat -A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053
        rule nat -A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-port 15053
    elif [ -n "$servers" ]; then
        rule nat -A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
        for server in $servers; do rule nat -A ISTIO_OUTPUT_DNS -p tcp --dport 53 -d "$server" -j REDIRECT --to-ports 15053; done
        for server in $servers; do rule nat -A ISTIO_OUTPUT_DNS -p udp --dport 53 -d "$server" -j REDIRECT --to-port 15053; done
    fi
    for user in $(list "$users"); do dns_zones --uid-owner "$user"; done
    for group in $(list "$groups"); do dns_zones --gid-owner "$group"; done
    if [ "$all_dns" = true ]; then
        rule raw -A PREROUTING -j ISTIO_INBOUND
        rule raw -A ISTIO_OUTPUT_DNS -p udp --dport 53 -j CT --zone 2
        rule raw -A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1
    elif [ -n "$servers" ]; then
        rule raw -A PREROUTING -j ISTIO_INBOUND
        for server in $servers; do
            rule raw -A ISTIO_OUTPUT_DNS -p udp --dport 53 -d "$server" -j CT --zone 2
            rule raw -A ISTIO_INBOUND -p udp --sport 53 -s "$server" -j CT --zone 1
        done
    fi
}

dns_zones() {
    rule raw -A ISTIO_OUTPUT_DNS -p udp --dport 53 -m owner "$1" "$2" -j CT --zone 1
    rule raw -A ISTIO_OUTPUT_DNS -p udp --sport 15053 -m owner "$1" "$2" -j CT --zone 2
}

outbound_rules() {
    rule nat -A OUTPUT -j ISTIO_OUTPUT
    for port in $(list "$outbound_ports_not"); do
        rule nat -A ISTIO_OUTPUT -p tcp --dport "$port" -j RETURN
        rule nat -A ISTIO_OUTPUT -p udp --dport "$port" -j RETURN
    done
    rule nat -A ISTIO_OUTPUT -o lo -s "$passthrough" -j RETURN
    for user in $(list "$users"); do own_traffic --uid-owner "$user"; done
    for group in $(list "$groups"); do own_traffic --gid-owner "$group"; done
    owner_groups
    if [ "$dns" = true ]; then dns_rules; fi

    rule nat -A ISTIO_OUTPUT -d "$loopback" -j RETURN
    for range in $(list "$ranges_not"); do if ours "$range"; then rule nat -A ISTIO_OUTPUT -d "$range" -j RETURN; fi; done
    for port in $(list "$outbound_ports"); do rule nat -A ISTIO_OUTPUT -p tcp --dport "$port" -j ISTIO_REDIRECT; done
    if [ "$ranges" = '*' ]; then
        rule nat -A ISTIO_OUTPUT -j ISTIO_REDIRECT
        for name in $(list "$virtual"); do rule nat -I PREROUTING 1 -i "$name" -j ISTIO_REDIRECT; done
    else
        for range in $(list "$ranges"); do
            ours "$range" || continue
            for name in $(list "$virtual"); do rule nat -I PREROUTING 1 -i "$name" -d "$range" -j ISTIO_REDIRECT; done
            rule nat -A ISTIO_OUTPUT -d "$range" -j ISTIO_REDIRECT
        done
    fi
}

tproxy_rules() {
    rule mangle -A PREROUTING -p tcp -m mark --mark "$mark" -j CONNMARK --save-mark
    rule mangle -A OUTPUT -p tcp -o lo -m mark --mark "$mark" -j RETURN
    for user in $(list "$users"); do rule mangle -A OUTPUT ! -d "$loopback" -p tcp -o lo -m owner --uid-owner "$user" -j MARK --set-mark 1338; done
    for group in $(list "$groups"); do rule mangle -A OUTPUT ! -d "$loopback" -p tcp -o lo -m owner --gid-owner "$group" -j MARK --set-mark 1338; done
    rule mangle -A OUTPUT -p tcp -m connmark --mark "$mark" -j CONNMARK --restore-mark
    rule mangle -I ISTIO_INBOUND 1 -p tcp -m mark --mark "$mark" -j RETURN
    rule mangle -I ISTIO_INBOUND 2 -p tcp -s "$passthrough" -i lo -j RETURN
    rule mangle -I ISTIO_INBOUND 3 -p tcp -i lo -m mark ! --mark 1338 -j RETURN
}

build() {
    family=$1 rules=
    if [ "$family" = 6 ]; then loopback=::1/128 passthrough=::6/128 host_bits=128
    else loopback=$loopback4 passthrough=127.0.0.6/32 host_bits=32; fi

    for in in nat $([ "$mode" = TPROXY ] && echo mangle); do
        for name in $(list "$interfaces_not"); do
            rule "$in" -A PREROUTING -i "$name" -j RETURN
            rule "$in" -A OUTPUT -o "$name" -j RETURN
        done
    done
    for name in $(list "$virtual"); do rule nat -I PREROUTING 1 -i "$name" -j RETURN; done
    if [ "$drop_invalid" = true ]; then
        rule mangle -A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP
        rule mangle -A ISTIO_DROP -j DROP
    fi
    inbound_rules
    outbound_rules
    if [ "$mode" = TPROXY ]; then tproxy_rules; fi
}

# Our chains of one table, in the order in which rules first fill them, then those only jumped to.
chains() {
    printf '%s' "$rules" | awk -v table="$1" '$1 == table { print $3 }' | grep '^ISTIO_' | awk '!seen[$0]++' >"$scratch/chains" || :
    printf '%s' "$rules" | awk -v table="$1" '$1 == table && $(NF - 1) == "-j" { print $NF }' | grep '^ISTIO_' >>"$scratch/chains" || :
    awk '!seen[$0]++' "$scratch/chains"
}

fresh() {
    for in in mangle nat raw; do
        printf '%s' "$rules" | grep -q "^$in " || continue
        echo "* $in"
        chains "$in" | sed 's/^/-N /'
        printf '%s' "$rules" | sed -n "s/^$in //p"
        echo COMMIT
    done
}

# Naming a chain with ":" empties or makes it; jumps into our chains and our other rules in the system's chains are taken out first.
replacing() {
    tool=$1
    for in in mangle nat raw; do
        old=$(awk -v table="*$in" '/^\*/ { here = $0 == table } here && /^:ISTIO_/ { print substr($1, 2) }' "$scratch/saved")
        if [ "$cleanup" = true ]; then wanted=; else wanted=$(chains "$in"); fi
        [ -n "$old$wanted" ] || continue
        echo "* $in"
        printf '%s\n' $wanted $old | awk 'NF && !seen[$0]++ { print ":" $0 " - [0:0]" }'
        awk -v table="*$in" '/^\*/ { here = $0 == table } here && /^-A / && !/^-A ISTIO_/ && /-j ISTIO_/ { sub(/^-A /, "-D "); print }' "$scratch/saved"
        printf '%s' "$rules" | sed -n "s/^$in //p" | grep -v '^-[AI] ISTIO_' | grep -v -e '-j ISTIO_' | while read -r verb chain words; do
            if [ "$verb" = -I ]; then words=${words#* }; fi
            # shellcheck disable=SC2086 — the words are meant to split
            if $tool -w -t "$in" -C "$chain" $words 2>/dev/null; then echo "-D $chain $words"; fi
        done
        if [ "$cleanup" != true ]; then printf '%s' "$rules" | sed -n "s/^$in //p"; fi
        printf '%s\n' $old | awk -v wanted=" $(echo $wanted) " 'NF && index(wanted, " " $0 " ") == 0 { print "-X " $0 }'
        echo COMMIT
    done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

apply() {
    tool=$1
    if $tool-save >"$scratch/saved" 2>/dev/null && grep -q '^:ISTIO_' "$scratch/saved"; then replacing "$tool" >"$scratch/input"
    elif [ "$cleanup" = true ]; then return 0
    else fresh >"$scratch/input"; fi
    $tool-restore --noflush <"$scratch/input" || fail "$tool-restore refused the rules (is NET_ADMIN there?)"
}

routes() {
    while ip "$1" rule del fwmark "$mark" lookup "$table" 2>/dev/null; do :; done
    if [ "$cleanup" = true ]; then ip "$1" route flush table "$table" 2>/dev/null || :; return 0; fi
    ip "$1" rule add fwmark "$mark" lookup "$table"
    ip "$1" route replace local default dev lo table "$table"
}

for family in 4 $([ "$ipv6" = true ] && echo 6); do
    build "$family"
    if [ "$dry_run" = true ]; then fresh; continue; fi
    [ "$skip" != true ] || continue
    if [ "$family" = 6 ]; then apply ip6tables; else apply iptables; fi
    if [ "$mode" = TPROXY ]; then routes "-$family"; fi
done
