"""A cluster of real quorated processes on this machine: for scripts/demo and tests/system.

Ends only processes that it started, by pid. Every wait has a bound. Should this process be killed
itself, the kernel ends the nodes with it (setpriv --pdeathsig): start them from the main thread.
"""

import configparser
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time


FILL_ROUND_S = 4
FILL_ROUNDS_MAX = 60


class Problem(Exception):
    """Something a person should read; no traceback."""


def free_port_base(count):
    """A run of `count` UDP ports that are free now."""
    for base in range(20000 + os.getpid() % 20000, 60000, 128):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise Problem("no free UDP ports between 20000 and 60000")


def wait_for(condition, timeout_s, what):
    """Until condition() is true; its value."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Problem(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)


def mortal(command):
    """The command, made to end when we do. Same pid: setpriv becomes it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


class Cluster:
    """Nodes, one process each or all in one, with a configuration in a directory of its own."""

    def __init__(self, build, directory=None, nodes=3, logs=("demo",), keep=False, settings=None,
                 one_process=False):
        self.build = build
        self.keep = keep
        self.directory = directory or tempfile.mkdtemp(prefix="quorate-", dir=scratch())
        os.makedirs(self.directory, exist_ok=True)
        self.nodes = list(range(1, nodes + 1))
        self.one_process = one_process
        self.patience_s = 1
        self.prefixes = {}  # node: words in front of its command, such as nsenter's
        self.processes = {}
        self.config = os.path.join(self.directory, "quorate.ini")
        self.ports = free_port_base(16 * nodes)
        self.name = f"c{os.getpid()}-{self.ports}"
        self._write_config(logs, settings or {})

    def _write_config(self, logs, settings):
        replicas = ",".join(str(node) for node in self.nodes)
        sections = {"cluster": {"name": self.name},
                    "dataplane": {"run_dir": os.path.join(self.directory, "run")}}
        if not self.one_process and len(self.nodes) > 1:
            sections["dataplane"]["link"] = "memif"
        for node in self.nodes:
            sections[f"node {node}"] = {"data": self.data(node),
                                        "host": f"127.0.0.1:{self.ports + 16 * (node - 1)}"}
        for log in logs:
            name, _, rest = log.partition(":")
            sections[f"log {name}"] = {"replicas": replicas}
            for pair in filter(None, rest.split(",")):
                key, _, value = pair.partition("=")
                sections[f"log {name}"][key] = value
        for section, pairs in settings.items():
            sections.setdefault(section, {}).update(pairs)
        with open(self.config, "w", encoding="utf-8") as out:
            for section, pairs in sections.items():
                out.write(f"[{section}]\n")
                out.writelines(f"{key} = {value}\n" for key, value in pairs.items())

    # ---- paths ----

    def data(self, node):
        return os.path.join(self.directory, f"node-{node}")

    def log_path(self, node):
        return os.path.join(self.directory, f"node-{node}.out")

    def binary(self, name):
        folder = {"quorate": "control"}.get(name, "dataplane")
        return os.path.join(self.build, folder, name)

    # ---- processes ----

    def start(self, *nodes, wait=True, flags=()):
        """Start these nodes (default: all), and wait until each says that it is ready."""
        nodes = nodes or tuple(self.nodes)
        groups = [nodes] if self.one_process else [(node,) for node in nodes]
        for group in groups:
            command = [*self.prefixes.get(group[0], ()), self.binary("quorated"), "--config",
                       self.config, *flags]
            for node in group:
                command += ["--node", str(node)]
            with open(self.log_path(group[0]), "ab") as out:
                out.write(b"--- start\n")
                process = subprocess.Popen(mortal(command), stdout=out, stderr=out,
                                           stdin=subprocess.DEVNULL, start_new_session=True)
            for node in group:
                self.processes[node] = process
        if wait:
            for node in nodes:
                wait_for(lambda node=node: self.is_ready(node), 30, f"node {node} ready")

    def output(self, node):
        """What the node's process printed since its last start."""
        first = self.nodes[0] if self.one_process else node
        with open(self.log_path(first), encoding="utf-8", errors="replace") as text:
            return text.read().split("--- start\n")[-1]

    def is_ready(self, node):
        latest = self.output(node)
        if f"node {node} ready" in latest:
            return True
        if self.processes[node].poll() is not None:
            raise Problem(f"quorated for node {node} ended:\n{latest}")
        return False

    def signal(self, node, number):
        self.processes[node].send_signal(number)

    def kill(self, node):
        """kill -9, and wait until it is gone."""
        process = self.processes.pop(node)
        process.kill()
        process.wait(10)

    def kill_all(self):
        """kill -9 of all at once."""
        processes = set(self.processes.values())
        self.processes.clear()
        for process in processes:
            process.kill()
        for process in processes:
            process.wait(10)

    def stop(self, *nodes, timeout_s=10):
        """SIGTERM; the exit statuses."""
        nodes = nodes or tuple(self.processes)
        processes = {self.processes[node] for node in nodes if node in self.processes}
        for process in processes:
            process.terminate()
        statuses = [process.wait(timeout_s) for process in processes]
        for node in nodes:
            self.processes.pop(node, None)
        return statuses

    # ---- asking ----

    def quorate(self, *arguments, check=True, **options):
        """Run the CLI; its completed process. Raises Problem with what it said when it failed."""
        command = [self.binary("quorate"), "--config", self.config, *arguments]
        options.setdefault("timeout", 60)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(command, check=False, **options)
        if check and done.returncode != 0:
            said = (done.stderr or b"").decode(errors="replace")
            raise Problem(f"{' '.join(arguments)}: exit {done.returncode}: {said}")
        return done

    def popen(self, *arguments, **options):
        command = [self.binary("quorate"), "--config", self.config, *arguments]
        return subprocess.Popen(mortal(command), **options)

    def popen_other(self, program, *arguments, **options):
        """Another program of the cluster's clients, that ends with us."""
        return subprocess.Popen(mortal([program, *arguments]), **options)

    def bench(self, *options, log="demo"):
        """Run quorate-bench; its result."""
        done = subprocess.run([self.binary("quorate-bench"), "--config", self.config, "--log", log,
                               "-o", "json", *options], stdout=subprocess.PIPE, check=False,
                              timeout=300)
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace")
            raise Problem(f"quorate-bench: exit {done.returncode}: {said}")
        return json.loads(done.stdout)

    def fill(self, mib, log="demo", record_bytes=4096):
        """Append until so many MiB of records are there, for four minutes at most; how many."""
        filled_bytes = 0
        for _ in range(FILL_ROUNDS_MAX):
            if filled_bytes >= mib << 20:
                break
            result = self.bench("--size", str(record_bytes), "--inflight", "512", "--warmup", "0",
                                "--seconds", str(FILL_ROUND_S), log=log)
            filled_bytes += result["acked_total"] * record_bytes
        return filled_bytes / (1 << 20)

    def _configured(self):
        parser = configparser.ConfigParser()
        parser.read(self.config, encoding="utf-8")
        return parser

    def endpoints(self):
        """Where clients reach the nodes: HOST:PORT,..."""
        configured = self._configured()
        return ",".join(configured[f"node {node}"]["host"] for node in self.nodes)

    def status(self):
        """`quorate status` as it is now; a node that neither answers nor refuses costs patience_s."""
        done = self.quorate("status", "-o", "json", "--timeout", str(self.patience_s), check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {"groups": [], "nodes": []}

    def group(self, log="demo", partition=0):
        for group in self.status()["groups"]:
            if group.get("log") == log and group.get("partition") == partition:
                return group
        return None

    def replicas(self, log="demo", partition=0):
        """What the nodes that answer say of their replica, by node."""
        group = self.group(log, partition) or {}
        return {replica["node"]: replica for replica in group.get("replicas", [])}

    def leader(self, log="demo", timeout_s=20, partition=0):
        return wait_for(lambda: (self.group(log, partition) or {}).get("leader"), timeout_s,
                        f"a leader of {log}")

    def end(self, log="demo", partition=0):
        """Committed records, as the furthest replica knows."""
        replicas = self.replicas(log, partition).values()
        return max((replica["end"] for replica in replicas), default=0)

    def is_away(self, node):
        states = {member["node"]: member["state"] for member in self.status()["nodes"]}
        return states.get(node) == "away"

    def wait_away(self, node, timeout_s=10):
        wait_for(lambda: self.is_away(node), timeout_s, f"node {node} seen away")

    def wait_progress(self, log="demo", partition=0, timeout_s=30):
        """New records are committed from now on."""
        before = self.end(log, partition)
        wait_for(lambda: self.end(log, partition) > before, timeout_s,
                 f"records of {log} committed")

    def wait_caught_up(self, node, log="demo", partition=0, timeout_s=30):
        """The node has committed what any other one has committed by now."""
        goal = max((r["commit"] for r in self.replicas(log, partition).values()), default=0)

        def caught_up():
            replica = self.replicas(log, partition).get(node)
            return replica is not None and replica["commit"] >= goal

        wait_for(caught_up, timeout_s, f"node {node} caught up")

    def link(self, state, node, peer):
        """Close (down) or open (up) the link to a peer at this node's end."""
        self.quorate("link", state, "--node", str(node), "--peer", str(peer))

    def wait_converged(self, log="demo", timeout_s=30, partition=0):
        """All replicas have, durable and committed, the same log."""

        def same():
            replicas = self.replicas(log, partition).values()
            tails = {(r["last"], r["durable"], r["commit"]) for r in replicas}
            return (len(replicas) == len(self.nodes) and len(tails) == 1 and
                    len(set(next(iter(tails)))) == 1)

        wait_for(same, timeout_s, f"replicas of {log} agree")

    def replicas_identical(self):
        """quorate diff over the stopped nodes' directories. Returns (identical, what it printed)."""
        done = subprocess.run([self.binary("quorate"), "diff",
                               *(self.data(node) for node in self.nodes)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=120)
        return done.returncode == 0, done.stdout.decode(errors="replace")

    # ---- end ----

    def close_processes(self):
        for process in set(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)
        self.processes.clear()

    def close(self):
        self.close_processes()
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def scratch():
    """Where data goes: a real disk rather than a RAM-backed /tmp."""
    return os.environ.get("QUORATE_SCRATCH") or "/var/tmp"
