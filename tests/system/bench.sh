#!/usr/bin/env bash
# quorate-bench embedded: short runs of every kind verify what they appended and leave nothing behind.
set -euo pipefail

bench=${QUORATE_BUILD:?}/dataplane/quorate-bench
work=$(mktemp -d -p /var/tmp quorate-test.XXXXXX)
trap 'rm -rf "$work"' EXIT
number=0

report() { # OK|not ok NAME
	number=$((number + 1))
	echo "$1 $number - $2"
	[[ $1 == ok ]] || sed 's/^/# /' "$work/out" "$work/err"
}

expect() { # NAME CONDITION-ON-r OPTION...: the object `r` fulfils a Python expression
	local name=$1 condition=$2
	shift 2
	if "$bench" --embedded --dir "$work" --seconds 0.5 --warmup 0.2 -o json "$@" >"$work/out" 2>"$work/err" &&
		python3 - "$work/out" "$condition" <<-'PYTHON'; then
			import json, sys
			r = json.load(open(sys.argv[1], encoding="utf-8"))
			whole = r["acked"] > 0 and r["errors"] == 0 and r["verified"] == r["acked_total"] >= r["acked"]
			whole = whole and r["replicas"] == 3 and r["device"]["quorum_write_4k_us_p50"] > 0
			sys.exit(0 if whole and eval(sys.argv[2]) else 1)
		PYTHON
		report ok "$name"
	else
		report "not ok" "$name"
	fi
}

echo 1..7
expect "one in flight" 'r["mode"] == "closed" and r["inflight"] == 1 and r["latency_us"]["p50"] > 0' --inflight 1
expect "many in flight, several producers" 'r["sessions"] == 3' --inflight 5000 --sessions 3
expect "groups on two cores" 'r["groups"] == 4 and r["cores"] == 2' --inflight 1000 --groups 4 --cores 2
expect "records larger than a datagram" 'r["record_bytes"] == 50000' --size 50000 --inflight 8
expect "an open loop" 'r["mode"] == "open" and r["unsent"] == 0 and r["acked_total"] == 1400' --rate 2000
expect "durability memory is named" 'r["durability"] == "memory"' --inflight 100 --durability memory

rm -f "$work/out" "$work/err"
if [[ -z $(ls -A "$work") ]]; then
	report ok "nothing is left behind"
else
	report "not ok" "nothing is left behind"
fi
