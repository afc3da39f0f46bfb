#!/usr/bin/env python3
"""libquorate as its users get it: the example program, and what `meson install` gives them.

The installed header, library and pkg-config file build a small program with nothing else of the
project in reach: in C, against the shared and the static library, and in C++.
"""

import os
import shutil
import signal
import subprocess
import tempfile

import tap
from cluster import scratch
from tap import Skip, check, diag, equal

PROGRAM = r"""
#include <quorate.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct quorate_options options;
	struct quorate_client *client;
	struct quorate_producer *producer;
	uint64_t offset, start, end;
	int error;

	memset(&options, 0, sizeof(options));
	if (argc < 3)
		return 2;
	options.endpoints = argv[1];
	options.cluster = argv[2];
	options.timeout_ms = 2000;
	error = quorate_connect(&options, &client);
	if (error == QUORATE_OK)
		error = quorate_producer_open(client, "demo", 0, NULL, &producer);
	if (error == QUORATE_OK)
		error = quorate_append_wait(producer, "tiny", 4, &offset);
	if (error == QUORATE_OK)
		error = quorate_tail(client, "demo", 0, &start, &end);
	if (error != QUORATE_OK) {
		fprintf(stderr, "%s\n", quorate_strerror(error));
		return 1;
	}
	printf("%d\n", end == offset + 1);
	quorate_close(client);
	return 0;
}
"""


def run(*command, **options):
    options.setdefault("timeout", 60)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          **options)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")


def succeed(*command, **options):
    status, said = run(*command, **options)
    check(status == 0, f"{' '.join(command)}: exit {status}: {said}")
    return said


def endpoints(nodes):
    return ",".join(f"127.0.0.1:{nodes.ports + 16 * (node - 1)}" for node in nodes.nodes)


def example(nodes):
    """the example appends records and reads them back; with wrong arguments it says so"""
    program = os.path.join(tap.BUILD, "dataplane/client/append_and_read")
    name = nodes.status()["cluster"]
    for count in (1, 1000, 200000):
        said = succeed(program, endpoints(nodes), name, "demo", str(count))
        check(f"{count} appended, {count} read back" in said, f"it said {said}")
    equal(run(program)[0], 2, "exit status without arguments")
    status, said = run(program, endpoints(nodes), name, "none", "1")
    check(status == 1 and "not exist" in said, f"{status}: {said}")


def example_failover(nodes):
    """the example while the leader is killed: everything is acknowledged and read back"""
    program = os.path.join(tap.BUILD, "dataplane/client/append_and_read")
    begin = nodes.end()
    with subprocess.Popen([program, endpoints(nodes), nodes.status()["cluster"], "demo", "1000000"],
                          stdout=subprocess.PIPE) as process:
        try:
            tap.cluster.wait_for(lambda: nodes.end() > begin + 20000, 20, "the first records")
            leader = nodes.leader()
            nodes.kill(leader)
            diag(f"the leader was killed {'' if process.poll() is None else 'too late, '}"
                 f"at {nodes.end() - begin} records")
            nodes.start(leader)
            said = process.communicate(timeout=60)[0].decode()
        finally:
            process.send_signal(signal.SIGKILL)
    equal(process.returncode, 0, "exit status")
    check("1000000 appended, 1000000 read back" in said, f"it said {said}")


def installed(nodes):
    """the installed header, library and pkg-config file build a program that appends"""
    need("meson", "cc", "pkg-config")
    with tempfile.TemporaryDirectory(prefix="quorate-", dir=scratch()) as directory:
        tree = os.path.join(directory, "tree")
        succeed("meson", "install", "-C", tap.BUILD, "--no-rebuild", "--tags", "devel,runtime",
                "--destdir", tree)
        config = find(tree, "quorate.pc")
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(config),
                       "PKG_CONFIG_SYSROOT_DIR": tree}
        source = os.path.join(directory, "tiny.c")
        with open(source, "w", encoding="utf-8") as out:
            out.write(PROGRAM)

        def build(compiler, *flags, static=False):
            options = succeed("pkg-config", "--cflags", "--libs", *(["--static"] * static),
                              "quorate", env=environment).split()
            if static:
                options = [find(tree, "libquorate.a") if word == "-lquorate" else word
                           for word in options]
            succeed(compiler, *flags, source, *options, "-o", f"{directory}/tiny")

        def try_it():
            said = succeed(f"{directory}/tiny", endpoints(nodes), nodes.status()["cluster"],
                           env={**os.environ,
                                "LD_LIBRARY_PATH": os.path.dirname(find(tree, "libquorate.so"))})
            equal(said, "1", "the appended record is the last one")

        build("cc", "-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic")
        try_it()
        build("cc", static=True)
        try_it()
        if shutil.which("c++"):
            build("c++", "-x", "c++", "-Wall", "-Wextra", "-Werror")
            try_it()
        check_symbols(find(tree, "libquorate.so"))
        for program in ("quorated", "quorate", "quorate-bench", "quorate-log"):
            find(tree, program)


def check_symbols(library):
    """The library exports what the header declares, and nothing else."""
    need("nm")
    names = [line.split()[-1] for line in succeed("nm", "-D", "--defined-only", library).split("\n")]
    foreign = [name for name in names if not name.startswith(("quorate_", "QUORATE_"))]
    equal(foreign, [], "exported symbols of other names")


def find(tree, name):
    for folder, _, files in os.walk(tree):
        if name in files:
            return os.path.join(folder, name)
    raise tap.Failure(f"{name} is not installed")


if __name__ == "__main__":
    tap.run([example, example_failover, installed], tap.running_cluster)
