#!/usr/bin/env bash
# What wrong usage of `quorate` gives: exit codes, and messages that name the cause and the next step.
set -uo pipefail

quorate=$QUORATE_BUILD/control/quorate
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset QUORATE_CONFIG NO_COLOR

planned=0
expect() { # NAME EXIT-CODE PATTERN ARGUMENT...: the pattern stands somewhere in all output
	local name=$1 code=$2 pattern=$3 output got=0
	shift 3
	output=$("$quorate" "$@" </dev/null 2>&1) || got=$?
	planned=$((planned + 1))
	if [[ $got == "$code" && $output == *"$pattern"* ]]; then
		echo "ok $planned - $name"
	else
		echo "not ok $planned - $name"
		printf '# exit %s, wanted %s with: %s\n' "$got" "$code" "$pattern"
		printf '%s\n' "$output" | sed 's/^/# /'
	fi
}

expect 'no command: the help, and wrong usage' 2 'Commands:'
expect 'help' 0 'Commands:' help
expect '--help' 0 'Commands:' --help
expect '--version' 0 'quorate 0.' --version
expect 'an unknown command suggests the nearest' 2 "did you mean 'status'?" stauts
expect 'a stranger points at the help' 2 "'quorate help' lists all" frobnicate
expect 'a noun without its verb lists the verbs' 2 "'log' needs one of: list, describe" log
expect 'a wrong verb suggests the nearest' 2 "did you mean 'log list'?" log lits
expect 'an unknown option' 2 "unrecognized option '--nonsense'" status --nonsense
expect 'a surplus argument' 2 'Too many arguments' status surplus
expect 'an unknown output' 2 "unknown output 'xml'" status -o xml
expect 'a timeout that is none' 2 "'soon' is no time" status --timeout soon
expect 'no configuration' 2 'give --config FILE, or --endpoints' status
expect 'a configuration that is not there' 2 'missing.ini' --config missing.ini status
expect 'endpoints without a cluster' 2 'give --cluster NAME' --endpoints 127.0.0.1:1 status
expect 'an endpoint without a port' 2 'give HOST:PORT' --endpoints localhost --cluster c status
expect 'a port out of range' 2 'give HOST:PORT' --endpoints 127.0.0.1:70000 --cluster c status
expect 'nobody there is unhealthy' 3 'no node of cluster' \
	--endpoints 127.0.0.1:1 --cluster c --timeout 0.2 status
expect 'append without a log' 2 'which log?' append
expect 'append with a file that is not there' 1 'missing.txt' \
	--endpoints 127.0.0.1:1 --cluster c append events --file missing.txt
expect 'read from nowhere' 2 "'middle' is no offset" read events --from middle
expect 'a link needs both ends' 2 'give --node N and --peer M' link down --node 1
expect 'a node has no link to itself' 2 'no link to itself' link up --node 1 --peer 1
expect 'a node that does not run here' 1 'node 1 does not run here' \
	link list --node 1 --run-dir "$work"
expect 'a rate that is none' 2 "'fast' is no rate" scrub --rate fast
expect 'nobody to scrub' 1 'no node runs here' scrub --run-dir "$work"
expect 'doctor: an unknown profile' 2 'there are dev, lab and bare-metal' doctor --profile fast
expect 'completion is for bash' 2 "'bash'" completion fish
expect 'completion for bash' 0 'complete -o filenames -F _quorate quorate' completion bash

# Every command explains itself, with an example.
for command in status 'log list' 'log describe' append read doctor scrub 'link list' 'link down' 'link up' completion; do
	# shellcheck disable=SC2086 # two words
	expect "help of '$command' has an example" 0 "quorate $command" help $command
done

# Without a terminal there are no escapes, and the doctor's object is JSON.
"$quorate" doctor --dir "$work" >doctor.txt
expect_file() { # NAME COMMAND...
	local name=$1
	shift
	planned=$((planned + 1))
	if "$@"; then echo "ok $planned - $name"; else echo "not ok $planned - $name"; fi
}
no_escapes() { ! grep -q $'\033' doctor.txt; }
is_json() { "$quorate" doctor --dir "$work" -o json | python3 -c 'import json, sys; json.load(sys.stdin)["profiles"]["dev"]'; }
expect_file 'a file gets no colours' no_escapes
expect_file "the doctor's object parses" is_json

echo "1..$planned"
