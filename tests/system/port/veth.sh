#!/usr/bin/env bash
# AF_PACKET and AF_XDP over a veth pair, in a network namespace of this test's own: it goes away with it.
set -uo pipefail

probe=$QUORATE_BUILD/tests/system/port-probe

if [[ ${1:-} != inside ]]; then
	root=()
	((EUID == 0)) || root=(-r)
	if ! reason=$(unshare -n "${root[@]}" true 2>&1); then
		echo "1..0 # SKIP no network namespace: $reason"
		exit 0
	fi
	if ! reason=$(unshare -n "${root[@]}" ip link add qra type veth peer name qrb 2>&1); then
		echo "1..0 # SKIP no veth pair: $reason"
		exit 0
	fi
	exec unshare -n "${root[@]}" "$0" inside "${root[@]}"
fi

number=0
report() { # OK NAME [OUTPUT]
	number=$((number + 1))
	if [[ $1 == 0 ]]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
	fi
	[[ -z ${3:-} ]] || echo "# ${3//$'\n'/$'\n'# }"
}

make_pair() { # MTU
	ip link add qra mtu "$1" type veth peer name qrb mtu "$1"
	sysctl -q -w net.ipv6.conf.qra.disable_ipv6=1 net.ipv6.conf.qrb.disable_ipv6=1 2>/dev/null
	ip link set qra up
	ip link set qrb up
}

# Both ends run at the same time; the one is told when the other has had its time.
both() { # KIND
	local there here output
	output=$(mktemp)
	"$probe" "$1" qrb 10.9.0.2 10.9.0.1 4 >"$output" 2>&1 &
	# net_af_packet names its kernel group by pid ^ interface index: neighbouring pids can collide.
	for _ in {1..8}; do /bin/true; done
	"$probe" "$1" qra 10.9.0.1 10.9.0.2 3 2>&1
	here=$?
	wait $!
	there=$?
	cat "$output"
	rm -f "$output"
	((here == 0 && there == 0))
}

echo 1..5
make_pair 1500
output=$(both af_packet)
report $? af_packet_carries_datagrams "$output"

if [[ ${2:-} == -r ]]; then
	number=$((number + 1))
	echo "ok $number - af_xdp_carries_datagrams # SKIP AF_XDP needs root outside a user namespace"
else
	output=$(both af_xdp)
	report $? af_xdp_carries_datagrams "$output"
fi

output=$("$probe" af_packet qra 10.9.0.1 10.9.0.2 1 3984 2>&1)
[[ $? == 3 && $output == *'MTU of 1500'*'ip link set dev qra mtu 4012'* ]]
report $? a_small_mtu_is_refused_with_the_command_that_mends_it "$output"

ip link del qra
make_pair 9000
output=$(both af_packet)
report $? af_packet_carries_jumbo_datagrams "$output"

# The kernel's own stack asks for our address (ARP) and pings it.
ping_once() {
	python3 - "$1" <<'END'
import socket, struct, sys

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

def message(kind):
    bare = struct.pack("!BBHHH", kind, 0, 0, 77, 3) + bytes(range(56))
    return bare[:2] + struct.pack("!H", checksum(bare)) + bare[4:]

ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
ping.settimeout(0.5)
for attempt in range(8):
    ping.sendto(message(8), (sys.argv[1], 0))
    try:
        answer, sender = ping.recvfrom(2048)
    except socket.timeout:
        continue
    print("answer of", len(answer), "bytes from", sender[0])
    sys.exit(0 if answer[20:] == message(0) else 1)
sys.exit(1)
END
}
ip addr add 10.9.0.2/24 dev qrb
"$probe" af_packet qra 10.9.0.1 0.0.0.0 5 >/dev/null 2>&1 &
output=$(ping_once 10.9.0.1 2>&1)
report $? the_kernel_gets_answers_to_arp_and_ping "$output"
wait
