#!/usr/bin/env python3
"""The command line against a running cluster: bytes in and out, options, JSON, exit codes.

The log `demo` has one partition, `wide` two. Each test reads only what it appended itself.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time

import tap
from cluster import wait_for
from tap import check, equal

OK, FAILED, USAGE, UNHEALTHY = 0, 1, 2, 3


def nasty_inputs():
    chance = random.Random(9)
    yield b"no newline at the end"
    yield b"\n\n\nempty lines\n\n"
    yield b"\0nul\0\0\nbetween\0\n\0"
    yield b"\r\ncarriage\r\r\n\x1b[31m\xff\xfe\xc3\x28\n"
    yield "größer als Ä \u2028 \U0001f600\n".encode()
    yield b"x" * 262143 + b"\n" + b"y" * 200000
    yield chance.randbytes(300000).replace(b"\n", b"\n\n")
    yield b""
    yield b"\n"


def read_from(nodes, begin, *options):
    return nodes.quorate("read", "demo", "--from", str(begin), *options).stdout


def raw_round_trip(nodes):
    """append --raw and read --raw give back the very bytes, whatever they are"""
    for data in nasty_inputs():
        begin = nodes.end()
        nodes.quorate("append", "demo", "--raw", input=data)
        check(read_from(nodes, begin, "--raw") == data, f"{len(data)} bytes {data[:30]} changed")


def line_round_trip(nodes):
    """append and read by lines: each line is a record, the last one needs no newline"""
    for data in nasty_inputs():
        begin = nodes.end()
        nodes.quorate("append", "demo", input=data)
        wanted = data if data.endswith(b"\n") or not data else data + b"\n"
        check(read_from(nodes, begin) == wanted, f"{len(data)} bytes {data[:30]} changed")
        equal(nodes.end() - begin, wanted.count(b"\n"), "records")


def null_round_trip(nodes):
    """--null: records end with NUL and may hold newlines"""
    begin = nodes.end()
    nodes.quorate("append", "demo", "--null", input=b"one\nrecord\0\0two")
    equal(read_from(nodes, begin, "--null"), b"one\nrecord\0\0two\0", "what was read")
    equal(nodes.end() - begin, 3, "records")


def from_file(nodes):
    """append --file: a file, a missing one, a directory"""
    path = os.path.join(nodes.directory, "lines.txt")
    with open(path, "wb") as out:
        out.write(b"".join(b"line %d\n" % number for number in range(5000)))
    begin = nodes.end()
    nodes.quorate("append", "demo", "--file", path)
    with open(path, "rb") as wanted:
        check(read_from(nodes, begin) == wanted.read(), "the file has changed")
    for wrong in (nodes.directory, os.path.join(nodes.directory, "none")):
        done = nodes.quorate("append", "demo", "--file", wrong, check=False)
        equal(done.returncode, FAILED, f"exit status for {wrong}")
        check(wrong.encode() in done.stderr, "the file is not named")


def ranges(nodes):
    """read --from, --count and --offsets"""
    begin = nodes.end()
    nodes.quorate("append", "demo", input=b"".join(b"%d\n" % n for n in range(100)))
    equal(read_from(nodes, begin, "--count", "3"), b"0\n1\n2\n", "--count 3")
    equal(read_from(nodes, begin + 98), b"98\n99\n", "--from 98")
    equal(read_from(nodes, begin, "--count", "0"), b"", "--count 0")
    equal(read_from(nodes, "end"), b"", "--from end")
    check(read_from(nodes, "start").endswith(b"\n99\n"), "--from start")
    equal(read_from(nodes, begin + 7, "--count", "1", "--offsets"), b"%d\t7\n" % (begin + 7),
          "--offsets")
    for wrong in ("-1", "x", ""):
        done = nodes.quorate("read", "demo", "--from", wrong, check=False)
        equal(done.returncode, USAGE, f"exit status of --from {wrong!r}")


def follow(nodes):
    """read --follow shows records as they come and ends with 0 on SIGINT; --count ends it too"""
    reader = nodes.popen("read", "demo", "--from", "end", "--follow", stdout=subprocess.PIPE)
    with ended(reader):
        os.set_blocking(reader.stdout.fileno(), False)
        got = bytearray()

        def sees(text):
            got.extend(reader.stdout.read() or b"")
            return bytes(got).endswith(text)

        def started():  # it begins at the end that it found: something new shows that it did
            nodes.quorate("append", "demo", input=b"start\n")
            return sees(b"start\n")

        wait_for(started, 20, "the reader to begin")
        for number in range(5):
            nodes.quorate("append", "demo", input=b"follow %d\n" % number)
            wait_for(lambda n=number: sees(b"follow %d\n" % n), 10, f"record {number} followed")
        reader.send_signal(signal.SIGINT)
        equal(reader.wait(10), OK, "exit status after SIGINT")
    begin = nodes.end()
    reader = nodes.popen("read", "demo", "--from", str(begin), "--follow", "--count", "2",
                         stdout=subprocess.PIPE)
    with ended(reader):
        nodes.quorate("append", "demo", input=b"1\n2\n3\n")
        equal(reader.communicate(timeout=20)[0], b"1\n2\n", "what --follow --count 2 gave")
        equal(reader.returncode, OK, "exit status")


@contextlib.contextmanager
def ended(process):
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def acks(nodes):
    """append --acks: each acknowledgement as it comes, in the order of the input, with its offset"""
    begin = nodes.end()
    data = b"".join(b"ack %d\n" % number for number in range(5000))
    done = nodes.quorate("append", "demo", "--acks", input=data)
    pairs = [tuple(map(int, line.split(b"\t"))) for line in done.stdout.splitlines()]
    equal(pairs[0][0], begin, "the first offset")
    equal([offset for offset, _ in pairs[1:]],
          [offset + records for offset, records in pairs[:-1]], "offsets")
    equal(sum(records for _, records in pairs), 5000, "records")
    before = time.monotonic_ns()
    done = nodes.quorate("append", "demo", "--acks", "-o", "json", input=data)
    *lines, summary = map(json.loads, done.stdout.splitlines())
    equal(summary["records"], 5000, "records in the summary")
    equal(sum(line["records"] for line in lines), 5000, "records")
    check(all(before < line["sent_ns"] < line["acked_ns"] < time.monotonic_ns() for line in lines),
          "times")


def interrupted(nodes):
    """append ended by SIGINT: what was acknowledged is told, and is there"""
    begin = nodes.end()
    process = nodes.popen("append", "demo", "-o", "json", stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with ended(process):
        process.stdin.write(b"a\nb\nc\n")
        process.stdin.flush()
        wait_for(lambda: nodes.end() == begin + 3, 20, "three records, with the input still open")
        process.send_signal(signal.SIGINT)
        process.wait(10)
        summary = json.loads(process.stdout.read())
        equal(process.returncode, FAILED, "exit status")
        equal((summary["records"], summary["unacknowledged"]), (3, 0), "the summary")
        equal(summary["first_offset"], begin, "first offset")
    equal(read_from(nodes, begin), b"a\nb\nc\n", "what was read")


def partitions(nodes):
    """a log with several partitions: one must be named, and each has an order of its own"""
    done = nodes.quorate("append", "wide", input=b"x\n", check=False)
    equal(done.returncode, USAGE, "exit status without --partition")
    check(b"0 to 1" in done.stderr, f"it said {done.stderr}")
    for partition in ("0", "1"):
        nodes.quorate("append", "wide", "-p", partition, input=b"p%s\n" % partition.encode())
    for partition in ("0", "1"):
        got = nodes.quorate("read", "wide", "-p", partition).stdout
        equal(got, b"p%s\n" % partition.encode(), f"partition {partition}")


def closed_pipe(nodes):
    """a reader of ours that goes away ends 'read' quietly"""
    nodes.quorate("append", "demo", input=b"x" * 100000 + b"\n" + b"y\n" * 100000)
    reader = nodes.popen("read", "demo", "--from", "start", stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    with ended(reader):
        reader.stdout.read(10)
        reader.stdout.close()
        equal(reader.stderr.read(), b"", "what it said")
        equal(reader.wait(20), OK, "exit status")


def endpoints(nodes):
    """--endpoints and --cluster instead of a configuration; any one node suffices"""
    name = nodes.status()["cluster"]
    nowhere = {"cwd": nodes.data(1), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "check": False, "timeout": 30}
    for node in nodes.nodes:
        target = ("--endpoints", f"127.0.0.1:{nodes.ports + 16 * (node - 1)}", "--cluster", name)
        begin = nodes.end()
        done = subprocess.run([nodes.binary("quorate"), "append", "demo", *target],
                              input=b"by endpoint\n", **nowhere)
        equal(done.returncode, OK, f"exit status: {done.stderr}")
        done = subprocess.run([nodes.binary("quorate"), *target, "read", "demo", "--from",
                               str(begin)], **nowhere)
        equal(done.stdout, b"by endpoint\n", "what was read")
        done = subprocess.run([nodes.binary("quorate"), *target, "status", "-o", "json"], **nowhere)
        equal(len(json.loads(done.stdout)["nodes"]), 3, "nodes found from one")
    done = subprocess.run([nodes.binary("quorate"), "read", "demo", *target[:2], "--cluster",
                           "another", "--timeout", "1"], **nowhere)
    equal(done.returncode, FAILED, "exit status for another cluster")
    check(b"no node of cluster 'another'" in done.stderr, f"it said {done.stderr}")


def objects(nodes):
    """every -o json is JSON, with what the manual promises in it"""
    def load(*arguments, **options):
        return json.loads(nodes.quorate(*arguments, "-o", "json", **options).stdout)

    begin = nodes.end()
    summary = load("append", "demo", input=b"text\n\xff\xfe\n")
    equal((summary["records"], summary["first_offset"]), (2, begin), "the summary of append")
    lines = nodes.quorate("read", "demo", "--from", str(begin), "-o", "json").stdout.splitlines()
    equal([json.loads(line) for line in lines],
          [{"offset": begin, "data": "text"}, {"offset": begin + 1, "base64": "//4="}], "read")
    status = load("status")
    equal(status["healthy"], True, "healthy")
    check({"rx", "batch", "disk", "quorum", "ack"} ==
          set(status["nodes"][0]["cores"][0]["stages_us"]), "stages")
    equal({(log["log"], log["partitions"]) for log in load("log", "list")},
          {("demo", 1), ("wide", 2)}, "logs")
    description = load("log", "describe", "demo")
    equal(description["partitions"][0]["end"], nodes.end(), "the end in the description")
    equal(len(load("log", "describe", "wide")["partitions"]), 2, "partitions")
    equal([link["down"] for link in load("link", "list")], [[], [], []], "links")
    doctor = nodes.quorate("doctor", "-o", "json", check=False)
    check({"checks", "profiles"} <= set(json.loads(doctor.stdout)), "doctor")


def tables(nodes):
    """the same as tables: a row for each node, replica, log"""
    text = nodes.quorate("status").stdout.decode()
    check("healthy" in text and text.count(" up ") == 3, text)
    check(text.count("follower") == 6 and text.count("leader") == 3, text)
    text = nodes.quorate("log", "list").stdout.decode()
    check("demo" in text and "wide" in text and "quorum" in text, text)
    text = nodes.quorate("log", "describe", "wide").stdout.decode()
    equal(len(text.splitlines()), 3, f"lines of {text}")


def doctor(nodes):
    """doctor changes nothing, names a fix for what is wrong, and exits 0 or 3"""
    done = nodes.quorate("doctor", "--dir", nodes.directory, check=False)
    check(done.returncode in (OK, UNHEALTHY), f"exit status {done.returncode}")
    text = done.stdout.decode()
    for word in ("O_DIRECT", "hugepages", "governor", "profiles", "dev", "bare-metal"):
        check(word.lower() in text.lower(), f"nothing about {word}")
    if "[fail]" in text or "[warn]" in text:
        check("fix:" in text, "no fix is named")
    equal(nodes.quorate("doctor", "--profile", "dev", check=False).returncode, OK,
          "exit status for the profile that runs here")


def telemetry(nodes):
    """DPDK's telemetry socket answers /quorate/stats with counters, stages and groups"""
    path = os.path.join(nodes.directory, "run", "dpdk", "node1", "dpdk_telemetry.v2")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        client.connect(path)
        version = json.loads(client.recv(16384))
        check("version" in version, f"greeting {version}")
        for command in ("/quorate/stats", "/quorate/stats,1"):
            client.send(command.encode())
            answer = json.loads(client.recv(65536))
            core = answer["/quorate/stats"]["node1_core0"]
            check(core["rx_datagrams"] > 0 and core["polls"] > 0, f"counters {core}")
            check({"drops", "stages_ns", "groups"} <= set(core), f"parts {set(core)}")
            equal(len(core["groups"]), 3, "groups")
            equal((core["installs"], core["dropped_segments"]), (0, 0), "nothing was given up")
            check(all(group["start"] == 0 for group in core["groups"].values()), "starts")
        client.send(b"/quorate/stats,9")
        check(json.loads(client.recv(65536))["/quorate/stats"] in (None, {}), "node 9 has stats")


def settings(nodes):
    """a flag wins over the environment, the environment over the file"""
    def segment(*flags, **environment):
        done = subprocess.run([nodes.binary("quorated"), "--check", "--config", nodes.config,
                               *flags], stdout=subprocess.PIPE, check=True, timeout=30,
                              env={**os.environ, **environment})
        lines = [line.split("=")[1].strip() for line in done.stdout.decode().splitlines()
                 if line.split("=")[0].strip() == "segment"]
        return lines

    equal(segment(), ["2M"], "segment of the file")
    equal(segment(QUORATE_STORAGE_SEGMENT="4M"), ["4M"], "segment of the environment")
    equal(segment("--set", "storage.segment=8M", QUORATE_STORAGE_SEGMENT="4M"), ["8M"],
          "segment of the flag")


def help_texts(nodes):
    """help and version of both programs"""
    for arguments in (("--help",), ("help",), ("help", "append"), ("read", "--help"),
                      ("--version",)):
        done = subprocess.run([nodes.binary("quorate"), *arguments], stdout=subprocess.PIPE,
                              check=False, timeout=10)
        equal(done.returncode, OK, f"exit status of {arguments}")
        check(b"quorate" in done.stdout.lower(), f"{arguments} said {done.stdout}")
    for argument in ("--help", "--version"):
        done = subprocess.run([nodes.binary("quorated"), argument], stdout=subprocess.PIPE,
                              check=False, timeout=10)
        check(done.returncode == OK and b"quorated" in done.stdout, f"quorated {argument}")


def node_away(nodes):
    """status with a node away: exit 3, and it says which; healthy again when it is back"""
    equal(nodes.quorate("status").returncode, OK, "exit status of status")
    victim = nodes.leader()
    nodes.kill(victim)
    done = nodes.quorate("status", check=False)
    equal(done.returncode, UNHEALTHY, "exit status of status")
    check(b"node %d is away" % victim in done.stderr, f"it said {done.stderr}")
    done = nodes.quorate("status", "-o", "json", check=False)
    equal(done.returncode, UNHEALTHY, "exit status of status -o json")
    equal(json.loads(done.stdout)["healthy"], False, "healthy")
    nodes.start(victim)
    wait_for(lambda: nodes.quorate("status", check=False).returncode == OK, 30, "healthy again")


if __name__ == "__main__":
    tap.run([raw_round_trip, line_round_trip, null_round_trip, from_file, ranges, follow,
             acks, interrupted, partitions, closed_pipe, endpoints, objects, tables, doctor, telemetry,
             settings, help_texts, node_away],
            lambda: tap.running_cluster(logs=("demo", "wide:partitions=2")))
