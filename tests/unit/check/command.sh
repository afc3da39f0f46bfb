#!/usr/bin/env bash
# quorate-check as a command: exit codes, what it says and where, and wrong usage.
set -uo pipefail

check=$QUORATE_BUILD/tests/check/quorate-check
cd "$QUORATE_SOURCE/tests/check/histories" || exit 1

planned=0
expect() { # NAME EXIT-CODE PATTERN ARGUMENT...: the pattern stands somewhere in all output; input: $input
	local name=$1 code=$2 pattern=$3 output got=0
	shift 3
	output=$("$check" "$@" <"${input:-/dev/null}" 2>&1) || got=$?
	planned=$((planned + 1))
	if [[ $got == "$code" && $output == *"$pattern"* ]]; then
		echo "ok $planned - $name"
	else
		echo "not ok $planned - $name"
		printf '# exit %s, wanted %s with: %s\n' "$got" "$code" "$pattern"
		printf '%s\n' "$output" | sed 's/^/# /'
	fi
}

good=good/register-sequential.jsonl
bad=bad/register-stale-read.jsonl
malformed=malformed/cut-line.jsonl
search=good/register-cas-chain-of-unknowns.jsonl

expect 'linearizable: exit 0 and one line' 0 "$good: linearizable: register, 4 operations, 1 key, 1 process," "$good"
expect 'not linearizable: exit 1 and the lines' 1 'lines 5-6        process 1    read -> 1    <- cannot be placed' "$bad"
expect 'not linearizable: what the read could have returned' 1 'It could have returned 2.' "$bad"
expect 'malformed: exit 2, line and place' 2 "$malformed:2: no JSON: expected the string to end" "$malformed"
expect 'undecided: exit 3, and what to do' 3 'give more with --budget' --budget 0 "$search"
expect 'enough budget decides' 0 linearizable --budget 100 "$search"
expect 'several files: each is judged' 1 "$good: linearizable" "$bad" "$good"
expect 'several files: malformed is the worst' 2 "$bad: not linearizable" "$good" "$bad" "$malformed"
expect 'several files: violated is worse than undecided' 1 "$search: undecided" --budget 0 "$search" "$bad"
expect 'a log is told from its operations' 0 'linearizable: log, 3 operations' good/log-integers-are-values.jsonl
expect 'the wrong model: exit 2 and the right one' 2 'use --model register' --model log "$good"
expect 'the wrong model the other way' 2 'use --model log' --model register good/log-integers-are-values.jsonl
expect 'an initial value' 1 'not linearizable' --initial 5 good/register-unset.jsonl
expect 'an initial value that is no JSON' 2 'strings need quotes' --initial abc "$good"
expect 'a first offset' 1 'not linearizable' --first-offset 1 good/log-offsets-and-tails.jsonl
input=$bad expect 'standard input' 1 '-: not linearizable'
input=$good expect 'standard input, named' 0 '-: linearizable' -
expect 'a file that is not there' 2 'missing.jsonl: No such file' missing.jsonl
expect 'JSON: linearizable' 0 '"verdict": "linearizable", "model": "register", "operations": 4' -o json "$good"
expect 'JSON: not linearizable' 1 '"unplaceable": [{"lines": [5, 6], "process": "1", "operation": "read -> 1"}]' \
	-o json "$bad"
expect 'JSON: malformed' 2 '"verdict": "malformed", "line": 2, "problem": "no JSON' -o json "$malformed"
expect 'the key is named' 1 'log, key "q"' bad/log-one-key-of-two.jsonl
expect '--help names the exit codes' 0 'Exit codes: 0 all are linearizable' --help
expect '--version' 0 'quorate-check 0.' --version
expect 'an unknown option' 2 "unrecognized option '--nonsense'" --nonsense
expect 'an unknown model' 2 "unknown model 'queue': give register or log" --model queue
expect 'a budget that is none' 2 "'much' is no number" --budget much
expect 'an unknown output' 2 "unknown output 'xml'" -o xml

planned=$((planned + 1))
files=(good/*.jsonl bad/*.jsonl malformed/*.jsonl)
lines=$("$check" -o json "${files[@]}" |
	python3 -c 'import json, sys; print(len([json.loads(line) for line in sys.stdin]))')
if [[ $lines == "${#files[@]}" ]]; then
	echo "ok $planned - -o json: an object a line for every file"
else
	echo "not ok $planned - -o json: an object a line for every file"
	echo "# ${#files[@]} files, $lines objects"
fi
echo "1..$planned"
