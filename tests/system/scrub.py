#!/usr/bin/env python3
"""`quorate scrub`: all damage of all logs is found now, and repaired from whoever has it whole.

Nothing is scrubbed in the background, and nobody reads, so that what a pass counts is what was
damaged, to the entry.
"""

import contextlib
import json
import random
import signal
import subprocess

import tap
from cluster import wait_for
from rot import LOGS, append_records, damage, settled_entries, verify, wrong_bits
from segments import Segments
from tap import check, equal
from traffic import Stream, stop_and_compare

RECORDS = 6000
SCRUB_S = 120
QUIET = {"storage": {"scrub": "0"}, "dataplane": {"cores": "2", "lcores": "1"}}


@contextlib.contextmanager
def filled_cluster():
    """Two logs, on two cores of each node, and what is in them."""
    with tap.small_cluster(QUIET, logs=LOGS) as nodes:
        nodes.start()
        nodes.leader()
        for log in LOGS:
            append_records(nodes, log, range(RECORDS))
        nodes.entries = {log: settled_entries(nodes, log) for log in LOGS}
        yield nodes


def scrub(nodes, *arguments):
    """A pass: (exit status, {(node, log): what it says of it}, what it complained of)."""
    done = nodes.quorate("scrub", "-o", "json", *arguments, check=False, timeout=SCRUB_S)
    said = done.stderr.decode(errors="replace")
    seen = {(node["node"], log["log"]): log for node in json.loads(done.stdout or "[]")
            for log in node["logs"]}
    return done.returncode, seen, said


def expect_sound(nodes, seen, wanted):
    """Each log of each node was read to its end; so many entries were damaged: {(node, log): }."""
    equal(sorted(seen), sorted((node, f"{log}/0") for node in nodes.nodes for log in LOGS), "logs")
    for (node, name), log in seen.items():
        count = wanted.get((node, name), 0)
        equal((log["state"], log["damaged"], log["repaired"], log["lost"]),
              ("done", count, count, 0), f"what node {node} says of {name}")
        equal(log["passed_bytes"], log["total_bytes"], f"bytes of {name} on node {node}")
        check(0 < log["verified_bytes"] <= log["total_bytes"], f"verified of {name}: {log}")


def nothing(nodes):
    """without damage: all is read, nothing is found, and the table says so"""
    status, seen, said = scrub(nodes)
    equal((status, said), (0, ""), "exit status and complaints")
    expect_sound(nodes, seen, {})
    text = nodes.quorate("scrub").stdout.decode()
    equal((text.count("sound"), len(text.splitlines())), (6, 7), text)
    status, seen, _ = scrub(nodes, "--node", "2")
    equal((status, {node for node, _ in seen}), (0, {2}), "exit status and nodes")


def everywhere(nodes):
    """wrong bits in all entries, on two replicas each, under load: all is found and repaired"""
    chance = random.Random(7)
    wanted = {}
    with Stream(nodes, "one", rate=200) as one:
        nodes.wait_progress()
        for log, entries in nodes.entries.items():
            for node, count in damage(nodes, log, entries, chance).items():
                wanted[node, f"{log}/0"] = count
        status, seen, said = scrub(nodes)
        equal((status, said), (0, ""), "exit status and complaints")
        nodes.wait_progress()
        one.finish()
    expect_sound(nodes, seen, wanted)
    expect_sound(nodes, scrub(nodes)[1], {})


def join(nodes):
    """A command that watches the pass of every node, which began before it, and is not done."""
    nodes.quorate("scrub", "--rate", "2M", "--no-wait")
    process = nodes.popen("scrub", stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    for node in nodes.nodes:
        said = process.stderr.readline()
        check(b"node %d: a pass was running already" % node in said, said)
    return process


def joined(nodes):
    """a pass goes on without its command, and a second command joins it"""
    with join(nodes) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    equal(process.returncode, 1, "exit status of an interrupted scrub")
    check(b"the pass goes on" in said, said)
    done = nodes.quorate("scrub", "--no-wait")
    equal(done.stdout.decode().count("a pass was running already"), 3, done.stdout)
    status, seen, said = scrub(nodes)
    equal(status, 0, f"exit status: {said}")
    check("at its own rate" in said, said)
    expect_sound(nodes, seen, {})


def scrub_state(nodes):
    """Of a log of node 1, by a command that joins the pass."""
    done = nodes.quorate("scrub", "--no-wait", "--node", "1", "-o", "json")
    return json.loads(done.stdout)[0]["logs"][0]


def nobody_has_it(nodes):
    """wrong bits in an entry on all three: exit 1 names the log and the entry, the rest is mended"""
    chance = random.Random(8)
    entries = nodes.entries["cold"]
    lost = entries[len(entries) // 2]
    bits = {node: wrong_bits(chance, lost) for node in nodes.nodes}
    for node in nodes.nodes:
        Segments(nodes.data(node), LOGS["cold"]).flip(lost, bits[node])
        Segments(nodes.data(node), LOGS["cold"]).flip(entries[5 * node], [77])
    status, seen, said = scrub(nodes)
    equal(status, 1, "exit status")
    for node in nodes.nodes:
        log = seen[node, "cold/0"]
        equal((log["damaged"], log["repaired"], log["lost"]), (2, 1, 1), f"entries of node {node}")
        equal(log["first_lost"][0]["index"], lost.index, f"what node {node} has lost")
        check(f"node {node}, log cold/0 (group 2): no sound copy of entry {lost.index}" in said, said)
    Segments(nodes.data(3), LOGS["cold"]).flip(lost, bits[3])
    status, seen, said = scrub(nodes)
    equal((status, said), (0, ""), "exit status and complaints, once one has it again")
    equal([seen[node, "cold/0"]["repaired"] for node in (1, 2)], [1, 1], "repaired")


def ended(nodes):
    """a node that ends meanwhile is told, and the others are read"""
    with join(nodes) as process:
        wait_for(lambda: scrub_state(nodes)["passed_bytes"] > 0, 10, "progress")
        nodes.kill(3)
        table, said = process.communicate(timeout=SCRUB_S)
    equal(process.returncode, 1, "exit status")
    check(b"node 3: its process has ended" in said, said)
    equal(table.decode().count("sound"), 4, table)
    nodes.start(3)
    equal(scrub(nodes)[0], 0, "exit status, once it is back")


def files(nodes):
    """after all that the replicas are equal, and their files sound"""
    nodes.wait_converged()
    stop_and_compare(nodes, [(log, 0) for log in LOGS])
    for node in nodes.nodes:
        equal(verify(nodes, node), (0, ["", ""]), f"what is wrong with node {node}")
    done = nodes.quorate("scrub", check=False)
    equal(done.returncode, 1, "exit status without nodes")
    check(b"no node runs here" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.run([nothing, everywhere, joined, nobody_has_it, ended, files], filled_cluster)
