"""A replica's log as it lies on its disk (docs/formats/log.md): its entries, wrong bits in them.

Everything goes past the page cache, as the nodes' own reads and writes do: what is written here is
there for a running node at once, and no stale page is ever written back over what it wrote.
"""

import collections
import mmap
import os
import struct

import wire
from tap import check

BLOCK = 4096
HEADER_BYTES = 128
MAGIC = b"QRE1"
SLOT_MAGIC, SLOT_CRC_AT = b"QRS1", 8

# `size` is of the entry in bytes, without its padding; the last of its records is `end` - 1.
Entry = collections.namedtuple("Entry", "index block blocks size first end")
Slot = collections.namedtuple("Slot", "serial segment_blocks stride_blocks settled")


def pread(path, offset, size):
    """Bytes of a file, as the disk has them; whole blocks."""
    with mmap.mmap(-1, size) as memory:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            got = os.preadv(file, [memory], offset)
        finally:
            os.close(file)
        return memory[:got]


def pwrite(path, offset, data):
    with mmap.mmap(-1, len(data)) as memory:
        memory[:] = data
        file = os.open(path, os.O_WRONLY | os.O_DIRECT)
        try:
            check(os.pwritev(file, [memory], offset) == len(data), f"a short write to {path}")
        finally:
            os.close(file)


class Segments:
    """The files of one group of one node; it may run."""

    def __init__(self, data, group=1):
        self.folder = os.path.join(data, f"group-{group:08x}")

    def slot(self):
        """What the newer of the sound slots says."""
        both = pread(os.path.join(self.folder, "state"), 0, 2 * BLOCK)
        sound = [self._slot(both[at:at + BLOCK]) for at in (0, BLOCK)]
        return max(slot for slot in sound if slot)

    @staticmethod
    def _slot(block):
        zeroed = block[:SLOT_CRC_AT] + bytes(4) + block[SLOT_CRC_AT + 4:]
        if block[:4] != SLOT_MAGIC or struct.pack("<I", wire.crc32c(zeroed)) != block[8:12]:
            return None
        serial, = struct.unpack_from("<Q", block, 24)
        segment_blocks, stride_blocks = struct.unpack_from("<II", block, 48)
        settled, = struct.unpack_from("<Q", block, 80)
        return Slot(serial, segment_blocks, stride_blocks, settled)

    def entries(self, until):
        """The entries up to this index, one after the other."""
        slot = self.slot()
        block, number, data = 0, None, b""
        for index in range(1, until + 1):
            while True:
                if block // slot.segment_blocks != number:
                    number = block // slot.segment_blocks
                    data = pread(self._path(number), 0, slot.segment_blocks * BLOCK)
                at = block % slot.segment_blocks * BLOCK
                entry = self._entry(data[at:at + HEADER_BYTES])
                if entry and (entry.index, entry.block) == (index, block):
                    break
                # It did not fit the rest of that stride.
                check(block % slot.stride_blocks, f"there is no entry {index} in {self.folder}")
                block += slot.stride_blocks - block % slot.stride_blocks
            yield entry
            block += entry.blocks

    @staticmethod
    def _entry(header):
        if header[:4] != MAGIC:
            return None
        payload, index, block, blocks, count, first = struct.unpack_from("<IQ8xQIIQ", header, 28)
        return Entry(index, block, blocks, HEADER_BYTES + payload, first, first + count)

    def _path(self, number):
        return os.path.join(self.folder, f"{number:016x}.seg")

    def place(self, entry):
        """(segment, byte) where an entry begins."""
        segment_blocks = self.slot().segment_blocks
        return entry.block // segment_blocks, entry.block % segment_blocks * BLOCK

    def flip(self, entry, bits):
        """Turn these bits of an entry over. A second time makes them good again."""
        number, at = self.place(entry)
        data = bytearray(pread(self._path(number), at, entry.blocks * BLOCK))
        for bit in bits:
            data[bit // 8] ^= 1 << bit % 8
        pwrite(self._path(number), at, data)
