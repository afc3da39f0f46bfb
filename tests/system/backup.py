#!/usr/bin/env python3
"""Backups of clusters, and clusters made of backups, with real processes and files.

A backup holds everything up to a committed entry, as the replicas have it, also when the node runs,
gives up its oldest segments meanwhile, or was killed. A cluster that is made of one has the same
records at the same offsets, knows what producers have appended, and goes on. What is no whole
backup leaves nothing.
"""

import glob
import os
import re
import subprocess

import tap
import wire
from cluster import mortal, wait_for
from segments import Segments
from smalldisk import SmallDisk, unavailable
from tap import Skip, check, diag, equal
from traffic import Stream, read_lines, stop_and_compare

MIB = 1 << 20
BLOCK = 4096
KEPT = {"storage": {"segment": "2M", "stride": "1M", "snapshot": "2M", "segments_ahead": "2"}}
LOGS = ("demo:retention_bytes=8M",)
RECORD = b"x" * 2000
NONCE = 41
GROUP_MAGIC = b"QRG1"


def tool(nodes, *arguments, status=0, **options):
    """Run the command; what it said."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([nodes.binary("quorate"), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=120, **options)
    said = (done.stderr + done.stdout).decode(errors="replace")
    equal(done.returncode, status, f"exit of {' '.join(arguments)}: {said}")
    return said


class Extent:
    """What a backup says that it has of the only group."""

    def __init__(self, said):
        match = re.search(r"entries (\d+) to (\d+), (\d+) records from offset (\d+) on", said)
        check(match, f"no group in: {said}")
        self.first, self.last, self.records, self.offset = map(int, match.groups())
        self.end = self.offset + self.records


def back_up(nodes, node, name="backup"):
    path = os.path.join(nodes.directory, name)
    said = tool(nodes, "backup", nodes.data(node), "-o", path)
    diag(said.strip())
    return path, Extent(said)


def put_away(nodes):
    """What the nodes have goes to the side."""
    for node in nodes.nodes:
        os.rename(nodes.data(node), nodes.data(node) + ".old")


def restore_all(nodes, path):
    for node in nodes.nodes:
        tool(nodes, "restore", path, nodes.data(node), "--node", str(node))
        tool(nodes, "verify", nodes.data(node))
        # As far as both reach: the old one has a tail that was not committed then, or not known so.
        tool(nodes, "diff", nodes.data(node) + ".old", nodes.data(node))


def append(nodes, megabytes):
    count = megabytes * MIB // len(RECORD)
    lines = b"".join(b"%d %s\n" % (number, RECORD) for number in range(count))
    nodes.quorate("append", "demo", input=lines)


def start_of(nodes):
    return min((replica["start"] for replica in nodes.replicas().values()), default=0)


class Producer:
    """A session, opened by hand, and its first chunk."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.session = None
        self.answer = None

    def _ask(self, kind, make):
        leader = self.nodes.leader()
        name, group = self.nodes.status()["cluster"], self.nodes.group()["group"]
        client = wire.Client(("127.0.0.1", self.nodes.ports + 16 * (leader - 1)), name)
        try:
            client.send_messages(make(group), to=leader)
            return client.receive(kind)
        finally:
            client.close()

    def open(self):
        body = self._ask(wire.SESSION_REPLY, lambda group: wire.session_open(NONCE, group))
        session, status = wire.session_reply(body)
        equal(status, wire.STATUS_OK, "status of the session")
        return session

    def chunk(self):
        body = self._ask(wire.CHUNK_REPLY, lambda group: wire.chunk(
            self.session, 0, [b"exactly", b"once"], group))
        return wire.chunk_reply(body)[3:]

    def append(self):
        self.session = self.open()
        self.answer = self.chunk()
        equal(self.answer[0], wire.STATUS_OK, "status of the chunk")

    def repeat(self):
        """It is known, and nothing is appended twice."""
        end = self.nodes.end()
        equal(self.open(), self.session, "the session of a repeated opening")
        equal(self.chunk(), self.answer, "the answer to a repeated chunk")
        equal(self.nodes.end(), end, "records after a repeated chunk")


def wait_settled(nodes, node):
    """What is committed by now is in a backup that begins later: the slots say so in a second."""
    last = nodes.replicas()[node]["commit"]
    wait_for(lambda: Segments(nodes.data(node)).slot().settled >= last, 10,
             "what is committed is called so")


def of_a_running_node():
    """a cluster that is restored from a backup of a running node has all of it, and goes on"""
    with tap.small_cluster() as nodes:
        nodes.start()
        producer = Producer(nodes)
        producer.append()
        wait_settled(nodes, 2)
        with Stream(nodes, "one") as one:
            for _ in range(20):
                nodes.wait_progress()
            path, extent = back_up(nodes, 2)
            nodes.wait_progress()
            one.finish()
        before = read_lines(nodes)
        nodes.wait_converged()
        equal(set(nodes.stop()), {0}, "exits")
        put_away(nodes)
        check(2 < extent.end <= len(before), "some of it is in the backup")
        restore_all(nodes, path)
        nodes.start()
        nodes.leader()
        check(read_lines(nodes) == before[:extent.end], "what was read before is there again")
        producer.repeat()
        with Stream(nodes, "two") as two:
            for _ in range(3):
                nodes.wait_progress()
            two.finish()
        check(read_lines(nodes)[:extent.end] == before[:extent.end], "and stays")
        stop_and_compare(nodes)


def of_nodes_that_were_killed():
    """of nodes that were killed: everything that was acknowledged a second before"""
    with tap.small_cluster() as nodes:
        nodes.start()
        with Stream(nodes, "one") as one:
            for _ in range(10):
                nodes.wait_progress()
            known = nodes.end()
            wait_settled(nodes, 1)
            nodes.kill_all()
            one.abort()
        path, extent = back_up(nodes, 1)
        check(extent.end >= known, f"{known} records were known, {extent.end} are there")
        put_away(nodes)
        restore_all(nodes, path)
        nodes.start()
        nodes.leader()
        equal(len(read_lines(nodes)), extent.end, "records")
        one.given = extent.end
        one.acked = known
        one.check_lines(read_lines(nodes))
        stop_and_compare(nodes)


def segment_files(nodes, node):
    """Names of the log's segments, the oldest first."""
    return sorted(os.path.basename(path)
                  for path in glob.glob(os.path.join(nodes.data(node), "group-*1", "*.seg")))


def of_a_log_that_begins_later():
    """of a log that gave up its beginning, while it gives up more: through a pipe, from one start"""
    with tap.small_cluster(KEPT, logs=LOGS) as nodes:
        nodes.start()
        nodes.leader()
        append(nodes, 32)
        wait_for(lambda: start_of(nodes) > 0, 60, "the log begins later")
        path = os.path.join(nodes.directory, "backup")
        with subprocess.Popen(mortal([nodes.binary("quorate"), "backup", nodes.data(3)]),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
            first = reader.stdout.read(BLOCK)
            # Far behind what the command can have read, with a pipe that nobody empties.
            ahead = segment_files(nodes, 3)[-3]
            append(nodes, 48)
            wait_for(lambda: ahead not in segment_files(nodes, 3), 60,
                     "what was to be read is given up")
            out, said = reader.communicate(timeout=120)
        equal(reader.returncode, 0, f"exit of the backup: {said.decode()}")
        with open(path, "wb") as file:
            file.write(first + out)
        begun = sum(out[at:at + 4] == GROUP_MAGIC for at in range(0, len(out), BLOCK))
        check(begun >= 2, f"the group was begun {begun} times, the log should have been given up")
        extent = Extent(said.decode())
        check(extent.offset > 0, "it begins later")
        nodes.wait_converged()
        before = nodes.quorate("read", "demo", "--from", "start", "--offsets").stdout.splitlines()
        equal(set(nodes.stop()), {0}, "exits")
        put_away(nodes)
        for node in nodes.nodes:
            with open(path, "rb") as file:
                tool(nodes, "restore", "-", nodes.data(node), "--node", str(node), stdin=file)
            tool(nodes, "diff", nodes.data(node) + ".old", nodes.data(node))
        nodes.start()
        nodes.leader()
        after = nodes.quorate("read", "demo", "--from", "start", "--offsets").stdout.splitlines()
        check(after and after[-1] in before, "the newest record is one of before")
        known = before.index(after[-1]) + 1
        common = min(known, len(after))
        check(after[-common:] == before[known - common:known], "the same records and offsets")
        append(nodes, 32)  # retention goes on
        wait_for(lambda: start_of(nodes) > extent.end, 60, "the restored records are given up")
        stop_and_compare(nodes)


def no_whole_backup():
    """what is cut off or flipped is refused and leaves no directory; a closed pipe is told"""
    with tap.running_cluster() as nodes:
        append(nodes, 4)
        wait_settled(nodes, 1)
        path, _ = back_up(nodes, 1)
        target = os.path.join(nodes.directory, "target")
        bad = os.path.join(nodes.directory, "bad")
        with open(path, "rb") as file:
            whole = file.read()
        equal(os.listdir(nodes.directory).count("backup.tmp"), 0, "temporary files")
        for size in (0, 100, BLOCK, len(whole) // 2, len(whole) - BLOCK, len(whole) - 1):
            said = _refused(nodes, bad, whole[:size], target)
            check("ends too soon" in said, said)
        for at in range(1, len(whole), len(whole) // 19):
            _refused(nodes, bad, whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1:], target)
        with subprocess.Popen(mortal([nodes.binary("quorate"), "backup", nodes.data(1)]),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            writer.stdout.close()
            said = writer.stderr.read().decode()
            equal(writer.wait(60), 1, f"exit when nobody reads: {said}")
        check("was closed" in said, said)


def _refused(nodes, path, data, target):
    with open(path, "wb") as file:
        file.write(data)
    tool(nodes, "restore", "--check", path, status=1)
    said = tool(nodes, "restore", path, target, "--node", "1", status=1)
    check(not os.path.exists(target), f"there is a directory: {said}")
    return said


def full_disks():
    """a full disk ends a backup and a restore with the reason, and nothing is left on it"""
    if unavailable():
        raise Skip(unavailable())
    with tap.running_cluster() as nodes:
        append(nodes, 24)
        wait_settled(nodes, 1)
        path, _ = back_up(nodes, 1)
        small = SmallDisk(os.path.join(nodes.directory, "image"),
                          os.path.join(nodes.directory, "small"), 16 * MIB)
        said = tool(nodes, "backup", nodes.data(1), "-o", os.path.join(small.path, "backup"),
                    status=1)
        check("No space left" in said, said)
        target = os.path.join(small.path, "node")
        said = tool(nodes, "restore", path, target, "--node", "1", status=1)
        check("No space left" in said, said)
        equal(os.listdir(small.path), ["lost+found"], "files on the small disk")
        os.mkdir(os.path.join(nodes.directory, "here"))
        tool(nodes, "restore", path, os.path.join(nodes.directory, "here"), "--node", "1")


if __name__ == "__main__":
    tap.keep_mounts_private()
    tap.run([of_a_running_node, of_nodes_that_were_killed, of_a_log_that_begins_later,
             no_whole_backup, full_disks])
