#!/usr/bin/env bash
# A fresh recording, and crash images of it: nothing lost, nothing invented. Prints TAP.
# QUORATE_CRASH_ROUNDS and QUORATE_CRASH_IMAGES make it longer.
set -euo pipefail

tool=$QUORATE_BUILD/tests/crash/quorate-crash
rounds=${QUORATE_CRASH_ROUNDS:-6}
images=${QUORATE_CRASH_IMAGES:-10000}
work=$(mktemp -d "$QUORATE_BUILD/crash-images-XXXXXX")
memory=$work # for images as real directories, thousands of them: in memory where that is possible
[[ ! -w /dev/shm ]] || memory=$(mktemp -d /dev/shm/crash-images-XXXXXX)
trap 'rm -rf "$work" "$memory"' EXIT
seed=$((RANDOM + 1)) # what is recorded is another run every time anyway

number=0
report() { # RESULT NAME: with the output as comments
	number=$((number + 1))
	sed 's/^/# /' "$work/out"
	if (($1 == 0)); then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		cp "$work/tape" "$QUORATE_BUILD/crash-failed.tape" 2>/dev/null || true
		echo "# seed $seed; the tape is kept as $QUORATE_BUILD/crash-failed.tape"
	fi
}

try() { # COMMAND...: its status in $?, its output in $work/out
	"$@" >"$work/out" 2>&1
}

echo 1..4

result=0
try "$tool" record "$work/tape" --rounds "$rounds" --seed "$seed" || result=1
report $result "a real cluster is recorded on real files"

result=0
try "$tool" check "$work/tape" --images "$images" --seed "$seed" --dir "$memory/nodes" || result=1
grep -q ' 0 lost, 0 invented$' "$work/out" || result=1
grep -qE ' [1-9][0-9]* records answered, [1-9][0-9]* snapshots$' "$work/out" || result=1
grep -qE ' [1-9][0-9]* of them from a snapshot$' "$work/out" || result=1
report $result "images recover: nothing lost, nothing invented"

# One image again, by its place: the last event that begins a disk operation.
place=$("$tool" show "$work/tape" | awk '$4 == "begin" {place = $1} END {print place}') || place=0
result=0
try "$tool" check "$work/tape" --images 1000000000 --seed "$seed" --dir "$memory/nodes" --at "$place:0" || result=1
grep -q "^1 images" "$work/out" || result=1
report $result "one image can be made again alone"

head -c 100000 "$work/tape" >"$work/short" || true
result=0
try "$tool" check "$work/short" --images 50 --dir "$memory/nodes" || result=1
report $result "a recording that was ended from outside is a shorter one"
