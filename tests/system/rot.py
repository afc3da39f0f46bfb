"""Wrong bits in the files of a cluster's nodes: in entries that all of them have settled, and so that
of each entry one replica stays whole.
"""

import json
import subprocess

from cluster import wait_for
from segments import BLOCK, HEADER_BYTES, Segments
from tap import diag

LOGS = {"demo": 1, "cold": 2}  # and their groups
FLIPS = (1, 1, 2, 5)  # bits of an entry, and how often how many


def record_of(number):
    """Of 2 to 3,000 bytes, now and then of several datagrams; all of it follows from its number."""
    size = number * 7919 % 3000 if number % 307 else 40000
    return b"%d " % number + (b"%d." % (number * 2654435761 % 2**32) * (size // 2))[:size]


def append_records(nodes, log, numbers):
    """With few in flight the entries are small and many, with more of them larger."""
    half = len(numbers) // 2
    for window, part in ((4, numbers[:half]), (64, numbers[half:])):
        data = b"".join(record_of(number) + b"\n" for number in part)
        nodes.quorate("append", log, "--window", str(window), input=data)


def settled_entries(nodes, log):
    """All entries of a log, when every node has noted them as durable and committed."""
    nodes.wait_converged(log)
    last = nodes.group(log)["replicas"][0]["last"]
    files = [Segments(nodes.data(node), LOGS[log]) for node in nodes.nodes]
    wait_for(lambda: all(each.slot().settled >= last for each in files), 10, f"{log} settled")
    return list(files[0].entries(last))


def wrong_bits(chance, entry):
    """Some bits of its header, of its payload, of its padding, or of all of it."""
    end = entry.blocks * BLOCK
    parts = ((0, HEADER_BYTES), (HEADER_BYTES, entry.size), (entry.size, end), (0, end))
    begin, end = chance.choice([part for part in parts if part[0] < part[1]])
    return chance.sample(range(8 * begin, 8 * end), chance.choice(FLIPS))


def damage(nodes, log, entries, chance):
    """Wrong bits in each entry on all replicas but one. Returns {node: damaged entries}."""
    damaged, flips = dict.fromkeys(nodes.nodes, 0), 0
    for entry in entries:
        for node in chance.sample(nodes.nodes, len(nodes.nodes) - 1):
            bits = wrong_bits(chance, entry)
            Segments(nodes.data(node), LOGS[log]).flip(entry, bits)
            damaged[node] += 1
            flips += len(bits)
    diag(f"{log}: {flips} wrong bits in {len(entries)} entries, by node {damaged}")
    return damaged


def verify(nodes, node):
    """`quorate verify` of a stopped node: (exit status, what is wrong with each group)."""
    done = subprocess.run([nodes.binary("quorate"), "verify", "--json", nodes.data(node)],
                          stdout=subprocess.PIPE, check=False, timeout=60)
    return done.returncode, [group["problem"] for group in json.loads(done.stdout)]
