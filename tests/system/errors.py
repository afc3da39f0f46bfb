#!/usr/bin/env python3
"""Bad input gets a clear error and loses nothing: command lines, configurations, data directories.

Each test makes one mistake, expects the exit status and the words that tell a person what to do,
and where data was at stake, that it is still there.
"""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import time

import tap
import wire
from tap import Skip, check, equal
from traffic import Stream, verify

BOUND_S = 2
SLACK_S = 6  # on a machine that has other things to do
NODE_FILE = "node"
VERSION_AT, CRC_AT = 4, 8
FAILED = (1, 2)  # of quorated: failed, or the set-up is wrong


def run(*command, **options):
    """Run to the end. Returns (status, everything it said)."""
    options.setdefault("timeout", 30)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False, **options)
    return done.returncode, done.stdout.decode(errors="replace")


def quorated(nodes, node, *flags):
    """Start a node that is expected to refuse."""
    return run(nodes.binary("quorated"), "--config", nodes.config, "--node", str(node), *flags)


def expect(result, status, *words):
    got, said = result
    check(got == status or got in FAILED and status is FAILED,
          f"exit status {got}, expected {status}; it said: {said.strip()}")
    for word in words:
        check(word in said, f"{word!r} is not in what it said: {said.strip()}")


def ask(nodes, *arguments, data=None):
    done = nodes.quorate(*arguments, check=False, **({"input": data} if data else {}))
    return done.returncode, ((done.stdout or b"") + (done.stderr or b"")).decode(errors="replace")


# ---- words on a command line and in a file ----


def unknown_command(nodes):
    """an unknown command: exit 2, and the command that was probably meant"""
    expect(ask(nodes, "statsu"), 2, "statsu", "status")
    expect(ask(nodes, "status", "--no-such-option"), 2, "--no-such-option")
    expect(ask(nodes, "append"), 2, "which log")
    expect(run(nodes.binary("quorated"), "--no-such-option"), 2, "--no-such-option")


def unknown_key(nodes):
    """an unknown key, section, value or double key: exit 2, with file and line, from both programs"""
    with open(nodes.config, encoding="utf-8") as config:
        text = config.read()
    lines = text.count("\n")
    path = os.path.join(nodes.directory, "wrong.ini")
    mistakes = (("[storage]\nsegmnt = 4M\n", lines + 2, "segmnt"),
                ("[stroage]\nsegment = 4M\n", lines + 1, "stroage"),
                ("[log other]\npartitions = 0\n", lines + 2, "partitions"),
                ("[log other]\npartitions = 1\npartitions = 2\n", lines + 3, "partitions"),
                ("[node 1]\nhost = nowhere\n", lines + 2, "host"))
    for mistake, line, word in mistakes:
        with open(path, "w", encoding="utf-8") as config:
            config.write(text + mistake)
        for command in (("quorated", "--check"), ("quorate", "status")):
            result = run(nodes.binary(command[0]), *command[1:], "--config", path)
            expect(result, 2, f"wrong.ini:{line}", word)
    expect(run(nodes.binary("quorated"), "--check", "--config", "/nowhere.ini"), 2, "/nowhere.ini")


# ---- data directories ----


@contextlib.contextmanager
def stopped_with_data(**options):
    """A cluster with ten records in it, stopped; they are there after whatever happened to it."""
    with tap.small_cluster(**options) as nodes:
        nodes.start()
        nodes.leader()
        nodes.quorate("append", "demo", input=b"kept\n" * 10)
        nodes.wait_converged()
        nodes.stop()
        yield nodes
        nodes.start()
        nodes.leader()
        equal(nodes.quorate("read", "demo", "--from", "start").stdout, b"kept\n" * 10, "the records")
        nodes.wait_converged()


def foreign_directory():
    """a data directory of another cluster or node is refused and left as it was"""
    with stopped_with_data() as nodes:
        expect(quorated(nodes, 1, "--set", "cluster.name=another"), FAILED, nodes.data(1), "cluster")
        swapped = ("--set", f"node.1.data={nodes.data(2)}", "--set", f"node.2.data={nodes.data(1)}")
        expect(quorated(nodes, 1, *swapped), FAILED, nodes.data(2), "belongs to node 2")


def patched_directory():
    """a data directory of another format version, or damaged, is refused and left as it was"""
    with stopped_with_data() as nodes:
        path = os.path.join(nodes.data(1), NODE_FILE)
        with open(path, "rb") as identity:
            whole = identity.read()

        def write(data):
            with open(path, "wb") as identity:
                identity.write(data)

        newer = bytearray(whole)
        version, = struct.unpack_from("<H", newer, VERSION_AT)
        struct.pack_into("<HxxI", newer, VERSION_AT, version + 1, 0)
        newer[6:8] = whole[6:8]
        struct.pack_into("<I", newer, CRC_AT, wire.crc32c(newer))
        write(newer)
        expect(quorated(nodes, 1), FAILED, nodes.data(1), "format version")
        for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:7], b""):
            write(damaged)
            expect(quorated(nodes, 1), FAILED, path, "damaged")
        os.unlink(path)
        expect(quorated(nodes, 1), FAILED, nodes.data(1), "identity")
        write(whole)


def second_process(nodes):
    """a second process on the same directory is refused, and does not disturb the first"""
    expect(quorated(nodes, 1), FAILED, nodes.data(1), "in use")
    equal(ask(nodes, "status")[0], 0, "exit status of status afterwards")
    expect(ask(nodes, "link", "list"), 0, "none")
    expect(run(nodes.binary("quorate"), "verify", nodes.data(1)), 1, "in use")


def port_taken():
    """a port that is taken: the error names it and how to find who has it"""
    with tap.small_cluster() as nodes, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("127.0.0.1", nodes.ports))
        expect(quorated(nodes, 1), FAILED, f"127.0.0.1:{nodes.ports}", "taken")


# ---- what cannot be served ----


def too_large(nodes):
    """a record over the limit: the error names the line; what was before it is in the log"""
    begin = nodes.end()
    expect(ask(nodes, "append", "demo", data=b"a\nb\n" + b"x" * 300000 + b"\nd\n"), 1, "line 3")
    equal(nodes.end() - begin, 2, "records appended")
    expect(ask(nodes, "append", "demo", data=b"y" * 262144 + b"\n"), 0)
    expect(ask(nodes, "append", "demo", data=b"z" * 262145 + b"\n"), 1, "line 1")
    equal(nodes.end() - begin, 3, "records appended")


def no_such_log(nodes):
    """a log, partition or offset that does not exist: exit 1, and what there is"""
    expect(ask(nodes, "append", "dmeo", data=b"x\n"), 1, "dmeo", "demo")
    expect(ask(nodes, "read", "other"), 1, "other", "log list")
    expect(ask(nodes, "log", "describe", "dmeo"), 1, "dmeo", "demo")
    expect(ask(nodes, "append", "demo", "--partition", "7", data=b"x\n"), 1, "no partition 7")
    expect(ask(nodes, "read", "demo", "--from", "999999999"), 1, "999999999", "outside")


def timed(call):
    start = time.monotonic()
    result = call()
    took = time.monotonic() - start
    check(took < BOUND_S + SLACK_S, f"took {took:.1f} s with a bound of {BOUND_S} s")
    return result


def no_quorum():
    """without a quorum clients wait their bound, say so and exit 1; without any node likewise"""
    bound = ("--timeout", str(BOUND_S))
    with stopped_with_data() as nodes:
        nodes.start(1)
        expect(timed(lambda: ask(nodes, "append", "demo", *bound, data=b"x\n")), 1, "no quorum")
        expect(timed(lambda: ask(nodes, "read", "demo", *bound)), 1, "no quorum")
        expect(timed(lambda: ask(nodes, "status")), 3, "away", "no leader")
        nodes.stop(1)
        expect(timed(lambda: ask(nodes, "append", "demo", *bound, data=b"x\n")), 1, "no node")
        expect(timed(lambda: ask(nodes, "read", "demo", *bound)), 1, "no node")
        expect(timed(lambda: ask(nodes, "status")), 3, "away")


def quorum_lost_meanwhile():
    """a quorum that goes away under an 'append': it says what was acknowledged, which is kept"""
    with tap.small_cluster() as nodes:
        nodes.start()
        leader = nodes.leader()
        with Stream(nodes, "one", timeout_s=BOUND_S) as one:
            nodes.wait_progress()
            for node in nodes.nodes:
                if node != leader:
                    nodes.kill(node)
            one.process.wait(BOUND_S + SLACK_S)
            with contextlib.suppress(tap.Failure):
                one.finish()
        equal(one.process.returncode, 1, "exit status of append")
        check(one.summary.get("unacknowledged", 0) > 0, f"summary {one.summary}")
        nodes.start(*(node for node in nodes.nodes if node != leader))
        nodes.leader()
        verify(nodes, [one])


# ---- O_DIRECT ----


def without_o_direct():
    """a file system without O_DIRECT: refused with the reason; with --direct-io=off it works"""
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise Skip("mounting a ramfs needs root")
    with tap.small_cluster(nodes=1) as nodes:
        os.mkdir(nodes.data(1))
        if run("mount", "-t", "ramfs", "-o", "mode=755", "ramfs", nodes.data(1))[0] != 0:
            raise Skip("a ramfs cannot be mounted here")
        try:
            expect(quorated(nodes, 1), FAILED, nodes.data(1), "O_DIRECT", "--direct-io=off")
            nodes.start(flags=("--direct-io=off",))
            nodes.leader()
            nodes.quorate("append", "demo", input=b"x\n")
            equal(nodes.quorate("read", "demo", "--from", "start").stdout, b"x\n", "what was read")
            nodes.stop()
        finally:
            nodes.close_processes()
            run("umount", nodes.data(1))


def direct_io_off():
    """--direct-io=off is in the banner, the ready line, the status and the warnings"""
    with tap.small_cluster(nodes=1) as nodes:
        nodes.start(flags=("--direct-io=off",))
        nodes.leader()
        banner = nodes.output(1)
        check("DIRECT I/O OFF" in banner and "ready" in banner, f"the banner: {banner}")
        expect(ask(nodes, "status"), 0, "DIRECT I/O OFF")
        status = nodes.status()
        equal(status["nodes"][0]["direct_io"], False, "direct_io in the status")
        check(any("DIRECT I/O OFF" in warning for warning in status["warnings"]), "no warning")


if __name__ == "__main__":
    tap.keep_mounts_private()
    tap.run([unknown_command, unknown_key, second_process, too_large, no_such_log,
             foreign_directory, patched_directory, port_taken, no_quorum, quorum_lost_meanwhile,
             without_o_direct, direct_io_off], tap.running_cluster)
