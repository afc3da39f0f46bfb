#!/usr/bin/env python3
"""Datagrams that no client would send, to a node's host port: dropped, counted, shown, harmless.

Every datagram is made by hand (wire.py). `quorate status` must show the drop under its reason, the
node must go on as if nothing had come, and what is repeated must not be appended twice.
"""

import os
import random
import struct

import tap
import wire
from cluster import wait_for
from tap import check, diag, equal

VICTIM = 1
LARGEST = 16384  # bytes of a datagram that the host port takes
REPEATS = 50


class Scene:
    """A running cluster and a client of one of its nodes."""

    def __init__(self, nodes, node=VICTIM):
        self.nodes, self.node = nodes, node
        self.name = nodes.status()["cluster"]
        self.client = wire.Client(("127.0.0.1", nodes.ports + 16 * (node - 1)), self.name)
        self.group = nodes.group()["group"]
        self.before = self.drops()

    def drops(self):
        """The drop counters of the node, by reason."""
        for member in self.nodes.status()["nodes"]:
            if member["node"] == self.node and member["state"] == "up":
                return member["cores"][0]["drops"]
        return {}

    def grown(self):
        now = self.drops()
        return {reason: now[reason] - self.before[reason] for reason in now
                if now[reason] != self.before[reason]}

    def expect(self, **reasons):
        """These counters have grown by this much since the beginning."""

        def arrived():
            grown = self.grown()
            return all(grown.get(reason, 0) >= count for reason, count in reasons.items())

        try:
            wait_for(arrived, 5, "the drops")
        except tap.cluster.Problem:
            pass
        equal(self.grown(), reasons, "drops shown in the status")

    def status_request(self):
        return wire.message(wire.STATUS, struct.pack("<QI", 1, 0))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.close()


def sound(nodes):
    """Everything works, and nobody else leads."""
    equal(nodes.quorate("status", check=False).returncode, 0, "exit status of status")
    nodes.quorate("append", "demo", input=b"sound\n")
    check(nodes.quorate("read", "demo", "--from", "start").stdout.endswith(b"sound\n"), "read")


def malformed(nodes):
    """malformed and truncated datagrams are counted as such"""
    with Scene(nodes) as scene:
        cluster, ask = wire.cluster_id(scene.name), scene.status_request()
        whole = wire.datagram(cluster, ask)
        bad = [b"x", os.urandom(40), bytes(64), bytes(1400), whole[:-1], whole + b"\0",
               wire.datagram(cluster, ask, magic=b"QRT2"),
               wire.datagram(cluster, ask, length=9999),
               wire.datagram(cluster, ask, reserved=1),
               wire.datagram(cluster, ask, source=9),
               wire.datagram(cluster, ask, to=200),
               wire.datagram(cluster, wire.message(99, b"")),
               wire.datagram(cluster, wire.message(wire.STATUS, bytes(12), flags=1)),
               wire.datagram(cluster, wire.message(wire.STATUS, bytes(12), length=500)),
               wire.datagram(cluster, wire.message(wire.STATUS, bytes(11))),
               wire.datagram(cluster, wire.message(wire.CHUNK, bytes(48), scene.group)),
               wire.datagram(cluster, b"abc")]
        for datagram in bad:
            scene.client.send(datagram)
        scene.expect(malformed=len(bad))
    sound(nodes)


def foreign(nodes):
    """foreign ones likewise: another cluster, node, version, group, and damaged on the way"""
    with Scene(nodes) as scene:
        cluster, ask = wire.cluster_id(scene.name), scene.status_request()
        damaged = bytearray(wire.datagram(cluster, ask))
        damaged[-1] ^= 1
        for datagram in (wire.datagram(cluster ^ 1, ask),
                         wire.datagram(wire.cluster_id("another"), ask),
                         wire.datagram(cluster, ask, to=VICTIM + 1),
                         wire.datagram(cluster, ask, version=2), bytes(damaged),
                         wire.datagram(cluster, wire.tail_request(1, 12345))):
            scene.client.send(datagram)
        scene.expect(foreign=3, version=1, checksum=1, unknown_group=1)
    sound(nodes)


def oversized(nodes):
    """datagrams larger than any that a node takes, and empty ones, are counted too"""
    with Scene(nodes) as scene:
        cluster = wire.cluster_id(scene.name)
        largest = wire.datagram(cluster, bytes(LARGEST - wire.HEADER_BYTES))
        scene.client.send(largest)
        scene.expect(malformed=1)
        for size in (LARGEST + 1, 40000, 65507):
            scene.client.send(wire.datagram(cluster, bytes(size - wire.HEADER_BYTES)))
        scene.client.send(b"")
        scene.expect(malformed=5)
    sound(nodes)


def random_bytes(nodes):
    """ten thousand random and mutated datagrams: every one is dropped, the node goes on"""
    with Scene(nodes) as scene:
        chance = random.Random(20)
        whole = bytearray(wire.datagram(wire.cluster_id(scene.name), scene.status_request()))
        for number in range(10000):
            if number % 2:
                datagram = chance.randbytes(chance.randrange(1, 200))
            else:
                datagram = bytearray(whole)
                datagram[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            scene.client.send(bytes(datagram))
            if number % 50 == 0:
                check(scene.grown() is not None, "no status")  # and gives it time
        wait_for(lambda: sum(scene.grown().values()) > 9000, 10, "the drops are counted")
        diag(scene.grown())
        check(sum(scene.grown().values()) <= 10000, "more drops than datagrams")
    sound(nodes)


def vote(term):
    """A request for a vote, as a peer would send it."""
    return wire.message(wire.RAFT, struct.pack("<B7xQQQQQQQQQ", 3, term, term, term, 0, 0, 0, 0, 0,
                                               0), 1)


def forged_peers(nodes):
    """what claims to come from a node but comes to the clients' port moves and mutes nobody"""
    leader = nodes.leader()
    with Scene(nodes, leader) as scene:
        before = nodes.replicas()
        for peer in [node for node in nodes.nodes if node != leader]:
            for counter in range(1, 4):
                scene.client.send_messages(vote(1000), source=wire.PEER, sender=peer, to=leader,
                                           incarnation=4242, counter=counter)
        scene.client.send_messages(vote(1000), source=wire.PEER, sender=9, to=leader)
        scene.client.send_messages(vote(1000))
        scene.expect(not_peer=8)
        sound(nodes)
        after = nodes.replicas()
        equal({node: replica["term"] for node, replica in after.items()},
              {node: replica["term"] for node, replica in before.items()}, "terms")
        equal(nodes.leader(), leader, "the leader")
        equal(scene.grown(), {"not_peer": 8}, "drops shown in the status")
    nodes.wait_converged()


def open_session(scene, nonce):
    request = wire.session_open(nonce, scene.group)
    scene.client.send_messages(request, to=scene.node)
    session, status = wire.session_reply(scene.client.receive(wire.SESSION_REPLY))
    equal(status, wire.STATUS_OK, "status of the session")
    return session


def replayed(nodes):
    """a client's datagrams replayed: the same session, the same offset, nothing is appended twice"""
    leader = nodes.leader()
    with Scene(nodes, leader) as scene:
        client = scene.client
        session = open_session(scene, 77)
        equal(open_session(scene, 77), session, "the session of a repeated opening")
        begin = nodes.end()
        data = client.send_messages(wire.chunk(session, 0, [b"once", b"only"], scene.group))
        first = wire.chunk_reply(client.receive(wire.CHUNK_REPLY))
        equal((first[3], first[4]), (wire.STATUS_OK, [(0, begin, 2)]), "the answer")
        for _ in range(REPEATS):
            client.send(data)
            again = wire.chunk_reply(client.receive(wire.CHUNK_REPLY))
            equal((again[3], again[4]), (first[3], first[4]), "the answer to a replay")
        equal(nodes.end() - begin, 2, "records appended")
        scene.expect()
    sound(nodes)


def bad_chunks(nodes):
    """chunks that are wrong inside are refused with a status, and leave no trace in the log"""
    leader = nodes.leader()
    with Scene(nodes, leader) as scene:
        session = open_session(scene, 99)
        begin = nodes.end()
        good = wire.chunk(session, 0, [b"abc"], scene.group)
        damaged = good[:-1] + b"?"  # the chunk's own checksum does not hold any more
        unknown = wire.chunk(session + 256, 0, [b"abc"], scene.group)
        gap = wire.chunk(session, 5, [b"abc"], scene.group)
        for chunk in (damaged, unknown, gap):
            scene.client.send_messages(chunk)
            status = wire.chunk_reply(scene.client.receive(wire.CHUNK_REPLY))[3]
            check(status != wire.STATUS_OK, "it was taken")
        equal(nodes.end() - begin, 0, "records appended")
        scene.client.send_messages(good)
        equal(wire.chunk_reply(scene.client.receive(wire.CHUNK_REPLY))[3:],
              (wire.STATUS_OK, [(0, begin, 1)]), "the answer to the good one")
    sound(nodes)


if __name__ == "__main__":
    tap.run([malformed, foreign, oversized, random_bytes, replayed, bad_chunks, forged_peers],
            tap.running_cluster)
