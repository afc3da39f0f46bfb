#!/usr/bin/env python3
"""A full disk: small ext4 images, mounted by loop, as data directories.

A ballast file fills an image. Appends are then refused with "no space", reads go on, the status
says so; when the ballast goes away, the node resumes by itself. Nothing acknowledged is lost.
"""

import contextlib
import os
import time

import tap
import smalldisk
from cluster import Problem, wait_for
from tap import Skip, check, diag, equal
from traffic import Stream, stop_and_compare

IMAGE_BYTES = 96 << 20
LEFT_BYTES = 6 << 20  # beside the ballast: less than a few segments
LINE = b"%08d " + b"full " * 200 + b"\n"


def mount(nodes, node):
    """A file system of its own as the node's data directory."""
    try:
        return smalldisk.SmallDisk(os.path.join(nodes.directory, f"image-{node}"),
                                   nodes.data(node), IMAGE_BYTES)
    except Problem as problem:
        raise Skip(problem) from None


@contextlib.contextmanager
def cluster_on_images(full):
    """A cluster whose nodes `full` have a nearly full disk of their own."""
    reason = smalldisk.unavailable()
    if reason:
        raise Skip(reason)
    with tap.small_cluster() as nodes, contextlib.ExitStack() as stack:
        nodes.disks = {}
        for node in full:
            nodes.disks[node] = mount(nodes, node)
            stack.callback(nodes.disks[node].umount)
        stack.callback(nodes.close_processes)
        nodes.start()
        nodes.leader()
        for disk in nodes.disks.values():
            disk.fill(LEFT_BYTES)
        yield nodes


def conditions(nodes):
    return {node: replica["condition"] for node, replica in nodes.replicas().items()}


def append_lines(nodes, first, count, *options):
    data = b"".join(LINE % number for number in range(first, first + count))
    return nodes.quorate("append", "demo", *options, input=data, check=False)


def check_lines(nodes, at_least):
    """The log holds lines 0, 1, 2... once and in order. Returns how many."""
    read = nodes.quorate("read", "demo", "--from", "start").stdout
    count = len(read) // len(LINE % 0)
    check(read == b"".join(LINE % number for number in range(count)), "the log is not 0, 1, 2...")
    check(count >= at_least, f"{at_least} lines were acknowledged, {count} are there")
    return count


def everywhere():
    """all disks full: appends are refused with "no space", reads go on, freed space resumes"""
    with cluster_on_images((1, 2, 3)) as nodes:
        start = time.monotonic()
        done = append_lines(nodes, 0, 60000, "--timeout", "3")
        said = done.stderr.decode(errors="replace")
        diag(f"{time.monotonic() - start:.1f} s: {said.strip()}")
        equal(done.returncode, 1, "exit status of append")
        check("no space" in said, "the reason is not told")
        count = check_lines(nodes, nodes.end())
        check(count > 0, "nothing was appended before the disk was full")
        status = nodes.quorate("status", check=False)
        equal(status.returncode, 3, "exit status of status")
        check(b"no space" in status.stderr, f"status said {status.stderr}")
        for disk in nodes.disks.values():
            disk.free()
        wait_for(lambda: set(conditions(nodes).values()) == {"OK"}, 30, "no more NO_SPACE")
        count = check_lines(nodes, count)
        equal(append_lines(nodes, count, 2000).returncode, 0, "exit status of append afterwards")
        check_lines(nodes, count + 2000)
        nodes.wait_converged()
        equal(nodes.quorate("status", check=False).returncode, 0, "exit status of status")
        stop_and_compare(nodes)


def one_follower():
    """a follower's disk full: the others go on, it catches up by itself when space is freed"""
    with cluster_on_images((3,)) as nodes:
        if nodes.leader() == 3:
            nodes.kill(3)
            nodes.leader()
            nodes.start(3)
            nodes.wait_caught_up(3)
        equal(append_lines(nodes, 0, 20000).returncode, 0, "exit status of append")
        wait_for(lambda: conditions(nodes)[3] == "NO_SPACE", 30, "node 3 is out of space")
        equal({conditions(nodes)[node] for node in (1, 2)}, {"OK"}, "conditions of the others")
        with Stream(nodes, "one") as one:
            nodes.wait_progress()
            nodes.disks[3].free()
            wait_for(lambda: conditions(nodes)[3] == "OK", 30, "node 3 resumes")
            nodes.wait_caught_up(3)
            one.finish()
        check(nodes.end() == 20000 + one.acked, "records")
        stop_and_compare(nodes)


def the_leader():
    """a leader's disk full: it hands over, the others go on, it catches up when space is freed"""
    with cluster_on_images((1, 2, 3)) as nodes:
        old = nodes.leader()
        for node in nodes.disks:
            if node != old:
                nodes.disks[node].free()
        equal(append_lines(nodes, 0, 20000).returncode, 0, "exit status of append")
        check(nodes.leader() != old, f"node {old} leads on")
        equal(conditions(nodes)[old], "NO_SPACE", "condition of the old leader")
        nodes.disks[old].free()
        wait_for(lambda: conditions(nodes)[old] == "OK", 30, f"node {old} resumes")
        check_lines(nodes, 20000)
        nodes.wait_converged()
        stop_and_compare(nodes)


def restart_when_full():
    """all disks full to the last block, kill -9 of all and restart: reads go on, space resumes"""
    with cluster_on_images((1, 2, 3)) as nodes:
        append_lines(nodes, 0, 60000, "--timeout", "2")
        count = nodes.end()
        nodes.kill_all()
        for disk in nodes.disks.values():
            disk.fill_to_the_last_byte()
        nodes.start()
        nodes.leader()
        count = check_lines(nodes, count)
        for disk in nodes.disks.values():
            disk.free()
        equal(append_lines(nodes, count, 2000).returncode, 0, "exit status of append afterwards")
        check_lines(nodes, count + 2000)
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.keep_mounts_private()
    tap.run([everywhere, one_follower, the_leader, restart_when_full])
