#!/usr/bin/env python3
"""The profile `lab`: three nodes on veth pairs, each in a network namespace of its own.

                     data: bridge qdata 10.99.0.254/24
        node n: eth0 10.99.0.n, spoken by quorated alone      (AF_PACKET or AF_XDP)
                clients: bridge qclients 10.98.0.254/24
        node n: eth1 10.98.0.n, spoken by the kernel

Everything is in a network namespace that this test makes for itself, and goes away with it. The
links between nodes are cut where an operator would pull the cable: at the bridge.
"""

import array
import contextlib
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

import tap
import wire
from cluster import wait_for
from tap import Skip, check, diag, equal
from traffic import Stream, Witness, stop_and_compare, verify

INSIDE = "QUORATE_TEST_NETWORK"
DATA, CLIENTS = "10.99.0", "10.98.0"
PORT = 7400
MAGIC = b"quorate lab"
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def ip(*words):
    done = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=20)
    if done.returncode != 0:
        raise Skip(f"ip {' '.join(words)}: {done.stdout.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def enter_network():
    """Go on in a network and mount namespace of our own, if we may."""
    unshare = shutil.which("unshare")
    if os.environ.get(INSIDE) or os.geteuid() != 0 or not unshare or not shutil.which("ip"):
        return
    if subprocess.run([unshare, "-n", "-m", "true"], check=False).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execv(unshare, [unshare, "-n", "-m", "--propagation", "private", sys.executable,
                           *sys.argv])


def checksum_in_software(interface):
    """What is sent carries its checksum: the kernel leaves it out towards a veth, and its reader
    on AF_PACKET would take the datagram for damaged."""
    value = array.array("I", [ETHTOOL_STXCSUM, 0])
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request + bytes(16))


def make_bridges():
    for name, network in (("qdata", DATA), ("qclients", CLIENTS)):
        ip("link", "add", name, "type", "bridge")
        ip("addr", "add", f"{network}.254/24", "dev", name)
        ip("link", "set", name, "up")
    checksum_in_software("qdata")
    ip("link", "set", "lo", "up")


class Place:
    """A network namespace, kept by a process that ends with us, and its two cables."""

    def __init__(self, node):
        self.node = node
        self.keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.keeper.stdout.readline()  # it is in its namespace
        self.enter = ["nsenter", "-t", str(self.keeper.pid), "-n", "--"]
        self._cable("d", "qdata", "eth0")
        self._cable("c", "qclients", "eth1")
        self.inside("addr", "add", f"{CLIENTS}.{node}/24", "dev", "eth1")
        self.inside("link", "set", "lo", "up")

    def _cable(self, kind, bridge, name):
        outer = f"q{kind}{self.node}"
        ip("link", "add", outer, "type", "veth", "peer", "name", name, "netns",
           str(self.keeper.pid))
        ip("link", "set", outer, "master", bridge, "up")
        self.inside("link", "set", name, "up")

    def inside(self, *words):
        done = subprocess.run([*self.enter, "ip", *words], stderr=subprocess.PIPE, check=False,
                              timeout=20)
        if done.returncode != 0:
            raise Skip(f"ip {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")

    def plug(self, state):
        """The cable of the data network: up or down."""
        ip("link", "set", f"qd{self.node}", state)

    def close(self):
        for outer in (f"qd{self.node}", f"qc{self.node}"):
            subprocess.run(["ip", "link", "del", outer], stderr=subprocess.DEVNULL, check=False)
        self.keeper.stdin.close()
        self.keeper.wait(10)


def settings_of(link):
    settings = {"cluster": {"profile": "lab"}, "dataplane": {"link": link}}
    for node in (1, 2, 3):
        settings[f"node {node}"] = {"host": f"{CLIENTS}.{node}:{PORT}", "device": "eth0",
                                    "address": f"{DATA}.{node}/24"}
    return settings


@contextlib.contextmanager
def lab(link):
    if not os.environ.get(INSIDE):
        raise Skip("network namespaces need root and iproute2")
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(tap.small_cluster(settings_of(link)))
        places = {}
        for node in nodes.nodes:
            places[node] = Place(node)
            stack.callback(places[node].close)
            nodes.prefixes[node] = places[node].enter
        stack.callback(nodes.close_processes)
        yield nodes, places


def ones_complement(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(address, sequence):
    """One ICMP echo; whether its answer came, whole, within a second."""
    body = struct.pack(">HH", os.getpid() & 0xFFFF, sequence) + MAGIC + b"!"
    request = struct.pack(">BBH", 8, 0, ones_complement(struct.pack(">BBH", 8, 0, 0) + body)) + body
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(1)
        raw.sendto(request, (address, 0))
        end = time.monotonic() + 1
        with contextlib.suppress(socket.timeout):
            while time.monotonic() < end:
                packet = raw.recv(2048)
                answer = packet[(packet[0] & 15) * 4:]
                if answer[0] == 0 and answer[4:] == body:
                    return ones_complement(answer) == 0
    return False


def check_neighbours(nodes):
    """Each node answers ARP and ICMP echo on its device, where the kernel has no address."""
    for node in nodes.nodes:
        address = f"{DATA}.{node}"
        equal([ping(address, sequence) for sequence in range(1, 4)], [True] * 3,
              f"pings of {address}")
        neighbour = ip("neigh", "show", address, "dev", "qdata")
        check("lladdr" in neighbour and "FAILED" not in neighbour, f"ARP: {neighbour}")
    check(not ping(f"{DATA}.77", 1), "nobody's address answers")


def check_device_client(nodes):
    """Clients that speak to the device's address are served too."""
    client = wire.Client((f"{DATA}.1", 7000), nodes.status()["cluster"])
    client.send_messages(wire.message(wire.STATUS, struct.pack("<QI", 5, 0)))
    body = client.receive(wire.STATUS_REPLY)
    client.close()
    equal(struct.unpack_from("<QB", body), (5, 1), "request and node in the answer of the device")


def run_through(link):
    with lab(link) as (nodes, places):
        try:
            nodes.start()
        except tap.cluster.Problem as problem:
            said = str(problem)
            if link == "af_xdp" and ("AF_XDP" in said or "xdp" in said):
                raise Skip(f"this kernel permits no AF_XDP: {said.splitlines()[-1]}") from None
            raise
        nodes.leader()
        check_neighbours(nodes)
        check_device_client(nodes)
        with Stream(nodes, "one") as one, Stream(nodes, "two") as two, Witness(nodes) as witness:
            nodes.wait_progress()
            pull_the_cable(nodes, places)
            kill_the_leader(nodes)
            one.finish()
            two.finish()
            witness.finish()
        verify(nodes, [one, two, witness])
        diag(nodes.quorate("status").stdout.decode())
        stop_and_compare(nodes)


def pull_the_cable(nodes, places):
    """The leader's cable is out: the others elect; it is in again: it follows."""
    old = nodes.leader()
    places[old].plug("down")
    wait_for(lambda: (nodes.group() or {}).get("leader") not in (None, old), 20, "a new leader")
    nodes.wait_progress()
    places[old].plug("up")
    nodes.wait_caught_up(old)


def kill_the_leader(nodes):
    old = nodes.leader()
    nodes.kill(old)
    nodes.wait_away(old)
    nodes.wait_progress()
    nodes.start(old)
    nodes.wait_caught_up(old)


def af_packet():
    """lab on AF_PACKET: ping and ARP answered, records through a pulled cable and a kill -9"""
    run_through("af_packet")


def af_xdp():
    """lab on AF_XDP: ping and ARP answered, records through a pulled cable and a kill -9"""
    run_through("af_xdp")


def bare_metal():
    """bare-metal without such a NIC is refused with a message that names the device"""
    settings = settings_of("pci")
    settings["cluster"]["profile"] = "bare-metal"
    for node in (1, 2, 3):
        settings[f"node {node}"].update(device="0000:7f:1f.7", host=f"127.0.0.1:{7400 + 100 * node}")
    with tap.small_cluster(settings) as nodes:
        done = subprocess.run([nodes.binary("quorated"), "--config", nodes.config, "--node", "1"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=30)
        said = done.stdout.decode(errors="replace")
        check(done.returncode in (1, 2), f"exit status {done.returncode}: {said}")
        check("0000:7f:1f.7" in said, f"it said {said}")
        diag(said.strip().splitlines()[-1])


def no_device():
    """lab on an interface that does not exist is refused with a message that names it"""
    settings = settings_of("af_packet")
    settings["node 1"].update(device="nosuch0", host="127.0.0.1:7400")
    with tap.small_cluster(settings) as nodes:
        done = subprocess.run([nodes.binary("quorated"), "--config", nodes.config, "--node", "1"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=30)
        said = done.stdout.decode(errors="replace")
        check(done.returncode in (1, 2) and "nosuch0" in said, f"{done.returncode}: {said}")


@contextlib.contextmanager
def bridges():
    if os.environ.get(INSIDE):
        make_bridges()
    yield None


if __name__ == "__main__":
    enter_network()
    tap.run([af_packet, af_xdp, bare_metal, no_device], bridges)
