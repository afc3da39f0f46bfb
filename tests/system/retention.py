#!/usr/bin/env python3
"""Logs that give up what is old, and a node that was away meanwhile, with real processes and files.

What is kept is bounded on every disk, begins at the same record everywhere, and is readable from
there on; a reader of what is gone is told so. A node that lacks what is gone begins with the
snapshot of its leader, also if it is killed while it is filled.
"""

import glob
import os
import time

import tap
from cluster import wait_for
from tap import check, diag
from traffic import Stream, stop_and_compare

MIB = 1 << 20
KEPT = {"storage": {"segment": "2M", "stride": "1M", "snapshot": "2M", "segments_ahead": "2"}}
LOGS = ("demo:retention_bytes=8M",)
# What is kept, a segment that is not full, those that are ready, and two snapshots more.
MOST_BYTES = 48 * MIB
RECORD = b"x" * 2000


def disk_bytes(nodes, node):
    total = 0
    for path in glob.glob(os.path.join(nodes.data(node), "group-*", "*.seg")):
        try:
            total += os.stat(path).st_size
        except FileNotFoundError:
            pass  # given up meanwhile
    return total


def append(nodes, megabytes):
    count = megabytes * MIB // len(RECORD)
    lines = b"".join(b"%d %s\n" % (number, RECORD) for number in range(count))
    nodes.quorate("append", "demo", input=lines)


def start_of(nodes):
    """The first record that is kept, as all that answer say."""
    return min((replica["start"] for replica in nodes.replicas().values()), default=0)


def wait_gone(nodes, offset):
    wait_for(lambda: start_of(nodes) > offset, 60, f"records up to {offset} are given up")


def old_records_go():
    """disks hold what is kept and no more; readers below are told where the log begins"""
    with tap.small_cluster(KEPT, logs=LOGS) as nodes:
        nodes.start()
        nodes.leader()
        for _ in range(3):
            before = nodes.end()
            append(nodes, 32)
            wait_gone(nodes, before)
            wait_for(lambda: max(disk_bytes(nodes, node) for node in nodes.nodes) <= MOST_BYTES, 20,
                     "the disks hold what is kept and little more")
        start = start_of(nodes)
        done = nodes.quorate("read", "demo", "--from", "0", "--count", "1", check=False)
        check(done.returncode != 0, "record 0 is read, and it was given up")
        text = done.stderr.decode()
        check(str(start_of(nodes)) in text or str(start) in text, f"no word of {start}: {text}")
        done = nodes.quorate("read", "demo", "--from", "start", "--count", "2")
        check(len(done.stdout.splitlines()) == 2, "two records from the start")
        nodes.kill_all()
        nodes.start()
        nodes.leader()
        # It is in the log, whatever the slots knew when they were killed.
        wait_for(lambda: start_of(nodes) >= start, 20, "the log begins no earlier than before")
        nodes.wait_converged()
        stop_and_compare(nodes)


def fall_behind(nodes, node):
    """The node is away until the log begins behind what it has."""
    with Stream(nodes, "one") as one:
        nodes.wait_progress()
        nodes.kill(node)
        nodes.leader()
        end = nodes.end()
        append(nodes, 48)
        wait_gone(nodes, end)
        one.finish()


def filled_from_a_snapshot():
    """a node that was away too long is filled from a snapshot, and has what the others have"""
    with tap.small_cluster(KEPT, logs=LOGS) as nodes:
        nodes.start()
        away = next(node for node in nodes.nodes if node != nodes.leader())
        fall_behind(nodes, away)
        nodes.start(away)
        with Stream(nodes, "two") as two:
            nodes.wait_caught_up(away, timeout_s=60)
            nodes.wait_progress()
            two.finish()
        nodes.wait_converged()
        diag(f"MiB on the disks: {[disk_bytes(nodes, node) >> 20 for node in nodes.nodes]}")
        wait_for(lambda: disk_bytes(nodes, away) <= MOST_BYTES, 20, "what was there before is gone")
        stop_and_compare(nodes)


def commit_of(nodes, node):
    return nodes.replicas().get(node, {}).get("commit", 0)


def killed_while_it_is_filled():
    """kill -9 while it is filled, again and again: it goes on, and comes to the same"""
    with tap.small_cluster(KEPT, logs=LOGS) as nodes:
        nodes.start()
        away = next(node for node in nodes.nodes if node != nodes.leader())
        fall_behind(nodes, away)
        goal = max(commit_of(nodes, node) for node in nodes.nodes)
        with Stream(nodes, "two") as two:
            nodes.start(away)
            nodes.kill(away)
            for part in (0, 0.2, 0.4, 0.6, 0.8):
                nodes.start(away, wait=False)
                wait_for(lambda part=part: commit_of(nodes, away) > part * goal, 60,
                         "some of it is filled")
                nodes.kill(away)
            nodes.start(away)
            nodes.wait_caught_up(away, timeout_s=60)
            two.finish()
        nodes.wait_converged()
        stop_and_compare(nodes)


def empty_disk_is_filled():
    """a node that starts with nothing gets the state and the log that is kept"""
    with tap.small_cluster(KEPT, logs=LOGS) as nodes:
        nodes.start(1, 2)
        nodes.leader()
        append(nodes, 48)
        wait_gone(nodes, 100)
        started = time.monotonic()
        nodes.start(3)
        nodes.wait_caught_up(3, timeout_s=60)
        diag(f"filled in {time.monotonic() - started:.2f} s, its start included")
        nodes.wait_converged()
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.run([old_records_go, filled_from_a_snapshot, killed_while_it_is_filled,
              empty_disk_is_filled])
