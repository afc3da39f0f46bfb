"""Datagrams of Quorate made by hand, from docs/formats/wire.md: to send what no client would."""

import socket
import struct

CLIENT, PEER = 0, 1
SESSION_OPEN, SESSION_REPLY, CHUNK, CHUNK_REPLY, TAIL, TAIL_REPLY = 18, 19, 20, 21, 24, 25
READ, RECORDS, STATUS, STATUS_REPLY = 22, 23, 26, 27
RAFT = 1
STATUS_OK, STATUS_BUSY, STATUS_CORRUPT = 0, 1, 26
HEADER_BYTES = 64
CRC_AT = 20


def _table(polynomial):
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


_CRC32C = _table(0x82F63B78)
_CRC64 = _table(0xC96C5795D7870F42)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def cluster_id(name):
    crc = 2**64 - 1
    for byte in name.encode():
        crc = crc >> 8 ^ _CRC64[(crc ^ byte) & 255]
    return crc ^ 2**64 - 1 or 1


def message(kind, body, group=0, flags=0, length=None):
    return struct.pack("<BBHI", kind, flags, len(body) if length is None else length, group) + body


def seal(datagram):
    """The datagram with its checksum."""
    zeroed = datagram[:CRC_AT] + bytes(4) + datagram[CRC_AT + 4:]
    return zeroed[:CRC_AT] + struct.pack("<I", crc32c(zeroed)) + zeroed[CRC_AT + 4:]


def datagram(cluster, *messages, source=CLIENT, sender=0, to=0, version=1, counter=1,
             incarnation=7, magic=b"QRT1", length=None, reserved=0):
    """A sealed datagram; every field can be made wrong."""
    rest = b"".join(messages)
    size = HEADER_BYTES + len(rest) if length is None else length
    header = magic + struct.pack("<BBBBQIIQII16sQ", version, source, sender, to, cluster,
                                 incarnation, 0, counter, 0, size, bytes(16), reserved)
    return seal(header + rest)


def first_message(reply):
    """(type, group, body) of the first message of a datagram from a node."""
    kind, _, length, group = struct.unpack_from("<BBHI", reply, HEADER_BYTES)
    return kind, group, reply[HEADER_BYTES + 8:HEADER_BYTES + 8 + length]


def tail_request(request, group):
    return message(TAIL, struct.pack("<Q", request), group)


def tail_reply(body):
    """(request, start, end, status, leader)"""
    return struct.unpack_from("<QQQBB", body)


def read_request(request, offset, size_bytes, group):
    return message(READ, struct.pack("<QQII", request, offset, size_bytes, 0), group)


def records(body):
    """(request, offset, count, slice, status, last, bulk)"""
    request, offset, _, count, number, _, _, status, _, last = struct.unpack_from("<QQQIIIIBBB",
                                                                                  body)
    return request, offset, count, number, status, last, body[48:]


def session_open(nonce, group):
    return message(SESSION_OPEN, struct.pack("<QQH", nonce, nonce + 1, 0), group)


def session_reply(body):
    """(session, status)"""
    return struct.unpack_from("<QB", body, 16)


def chunk(session, sequence, records, group):
    body = b"".join(struct.pack("<I", len(record)) + record for record in records)
    fixed = struct.pack("<QQIIQIIB7x", session, sequence, len(records), crc32c(body), 0, len(body),
                        0, 0)
    return message(CHUNK, fixed + body, group)


def chunk_reply(body):
    """(session, sequence, expected, status, [(sequence, offset, count)...])"""
    session, sequence, expected, _, status, _, count = struct.unpack_from("<QQQIBBB", body)
    answers = [struct.unpack_from("<QQI", body, 32 + 20 * i) for i in range(count)]
    return session, sequence, expected, status, answers


class Client:
    """A socket towards one node; datagrams go as they are given."""

    def __init__(self, address, cluster, timeout_s=5):
        self.cluster = cluster_id(cluster)
        self.counter = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(timeout_s)
        self.socket.connect(address)

    def send(self, data):
        self.socket.send(data)

    def send_messages(self, *messages, **fields):
        self.counter += 1
        data = datagram(self.cluster, *messages, **{"counter": self.counter, **fields})
        self.send(data)
        return data

    def receive(self, kind):
        """The body of the next message of this type; others are passed over."""
        while True:
            got, _, body = first_message(self.socket.recv(65536))
            if got == kind:
                return body

    def close(self):
        self.socket.close()
