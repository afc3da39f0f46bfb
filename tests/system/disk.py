#!/usr/bin/env python3
"""A full disk: small ext4 images, mounted by loop, as data directories.

A ballast file fills an image. Appends are then refused with "no space", reads go on, the status
says so; when the ballast goes away, the node resumes by itself. Nothing acknowledged is lost.
"""

import contextlib
import os
import shutil
import subprocess
import time

import tap
from cluster import wait_for
from tap import Skip, check, diag, equal
from traffic import Stream, stop_and_compare

IMAGE_BYTES = 96 << 20
LEFT_BYTES = 6 << 20  # beside the ballast: less than a few segments
LINE = b"%08d " + b"full " * 200 + b"\n"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=60)
    if done.returncode != 0:
        raise Skip(f"{command[0]}: {done.stdout.decode(errors='replace').strip()}")


def need_root():
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    for tool in ("mkfs.ext4", "mount"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Skip(f"{tool} is not installed")


def mount(nodes, node):
    """A file system of its own as the node's data directory."""
    image = os.path.join(nodes.directory, f"image-{node}")
    with open(image, "wb") as out:
        out.truncate(IMAGE_BYTES)
    run("/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "0", image)
    os.makedirs(nodes.data(node), exist_ok=True)
    run("mount", "-o", "loop", image, nodes.data(node))


def umount(path):
    if os.path.ismount(path):
        subprocess.run(["umount", "-l", path], check=False, timeout=60)


def ballast(nodes, node):
    return os.path.join(nodes.data(node), "ballast")


def free_bytes(nodes, node):
    room = os.statvfs(nodes.data(node))
    return room.f_bavail * room.f_frsize


def fill(nodes, node):
    with open(ballast(nodes, node), "wb") as out:
        os.posix_fallocate(out.fileno(), 0, free_bytes(nodes, node) - LEFT_BYTES)


@contextlib.contextmanager
def cluster_on_images(full):
    """A cluster whose nodes `full` have a nearly full disk of their own."""
    need_root()
    with tap.small_cluster() as nodes, contextlib.ExitStack() as stack:
        for node in full:
            stack.callback(umount, nodes.data(node))
            mount(nodes, node)
        stack.callback(nodes.close_processes)
        nodes.start()
        nodes.leader()
        for node in full:
            fill(nodes, node)
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
        for node in nodes.nodes:
            os.unlink(ballast(nodes, node))
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
            os.unlink(ballast(nodes, 3))
            wait_for(lambda: conditions(nodes)[3] == "OK", 30, "node 3 resumes")
            nodes.wait_caught_up(3)
            one.finish()
        check(nodes.end() == 20000 + one.acked, "records")
        stop_and_compare(nodes)


def restart_when_full():
    """all disks full, kill -9 of all and restart: what was acknowledged is read, space resumes"""
    with cluster_on_images((1, 2, 3)) as nodes:
        append_lines(nodes, 0, 60000, "--timeout", "2")
        count = nodes.end()
        nodes.kill_all()
        nodes.start()
        nodes.leader()
        count = check_lines(nodes, count)
        for node in nodes.nodes:
            os.unlink(ballast(nodes, node))
        equal(append_lines(nodes, count, 2000).returncode, 0, "exit status of append afterwards")
        check_lines(nodes, count + 2000)
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.keep_mounts_private()
    tap.run([everywhere, one_follower, restart_when_full])
