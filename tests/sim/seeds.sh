#!/usr/bin/env bash
# quorate-sim: many seeds find nothing, and a seed is the same run every time.
# SIM_SEEDS=A..B chooses the seeds; the build says how many there are by default.
set -uo pipefail

sim=$QUORATE_BUILD/tests/sim/quorate-sim
seeds=${SIM_SEEDS:-1..2000}
planned=0

result() { # NAME TEST...: what the command TEST says; $output is shown when it says no
	local name=$1 word=ok
	shift
	planned=$((planned + 1))
	"$@" || word='not ok'
	echo "$word $planned - $name"
	[[ $word == ok ]] || printf '%s\n' "$output" | tail -n 60 | sed 's/^/# /'
}

output=$("$sim" --seeds "$seeds" --jobs 2 2>&1)
result "seeds $seeds find nothing" test $? == 0
count=$((${seeds#*..} - ${seeds%..*} + 1))
result 'all of them have run' grep -qx "$count seeds, nothing found" <<<"$output"

# The trace is every datagram, disk operation, role, commit and answer, with its time.
hash_of() {
	"$sim" --seed "$1" | sed -n "s/^seed $1: trace hash \([0-9a-f]\{16\}\)$/\1/p"
}
is_twice() { [[ -n $first && $first == "$second" ]]; }
for seed in 3 14 159; do
	first=$(hash_of "$seed") second=$(hash_of "$seed")
	output="$first and $second"
	result "seed $seed is the same run twice" is_twice
done
output=$first
result 'another seed is another run' test "$(hash_of 2653)" != "$first"

output=$("$sim" --seeds 2..1 2>&1)
result 'a range that ends before it begins is wrong usage' test $? == 2

echo "1..$planned"
