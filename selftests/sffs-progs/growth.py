#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""growth.py IMAGE JOURNAL OLD... -- BLOCK...: what a power cut leaves of a growth.

BLOCK are the super block of IMAGE and its backups, as they are after the growth. The journal
that begins at block JOURNAL gets a transaction with all of them, and those named OLD, too, get
the size back that they had before: the volume without its last group.
"""
import struct
import sys

SIZE = 4096
MAGIC = 0xC03B3998


def crc32c(crc, data):
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def smaller(block):
    """The same super block, of the volume without its last group."""
    block = bytearray(block)
    first, = struct.unpack_from("<Q", block, 160)
    groups, = struct.unpack_from("<I", block, 168)
    shift = block[174]
    struct.pack_into("<Q", block, 152, first + (groups - 1 << shift))
    struct.pack_into("<I", block, 168, groups - 1)
    block[4:8] = bytes(4)
    struct.pack_into("<I", block, 4, crc32c(0xFFFFFFFF, block))
    return bytes(block)


def put_crc(block, at, seed, length):
    struct.pack_into(">I", block, at, 0)
    struct.pack_into(">I", block, at, crc32c(seed, block[:length]))


def main():
    split = sys.argv.index("--")
    path, journal = sys.argv[1], int(sys.argv[2])
    old = [int(arg) for arg in sys.argv[3:split]]
    blocks = [int(arg) for arg in sys.argv[split + 1:]]
    with open(path, "r+b") as image:
        def read(block):
            image.seek(block * SIZE)
            return image.read(SIZE)

        def write(block, data):
            image.seek(block * SIZE)
            image.write(data)

        head = bytearray(read(journal))
        sequence, = struct.unpack_from(">I", head, 24)
        seed = crc32c(0xFFFFFFFF, head[48:64])
        tagged = bytearray(SIZE)
        struct.pack_into(">III", tagged, 0, MAGIC, 1, sequence)
        at = 12
        for i, block in enumerate(blocks):
            data = read(block)
            flags = (2 if i else 0) | (8 if i == len(blocks) - 1 else 0)
            check = crc32c(crc32c(seed, struct.pack(">I", sequence)), data)
            struct.pack_into(">IIII", tagged, at, block, flags, 0, check)
            at += 16 if i else 32       # the first one has room for a UUID
            write(journal + 2 + i, data)
            if block in old:
                write(block, smaller(data))
        put_crc(tagged, SIZE - 4, seed, SIZE)
        write(journal + 1, tagged)
        commit = bytearray(SIZE)
        struct.pack_into(">III", commit, 0, MAGIC, 2, sequence)
        put_crc(commit, 16, seed, SIZE)
        write(journal + 2 + len(blocks), commit)
        write(journal + 3 + len(blocks), bytes(SIZE))
        struct.pack_into(">I", head, 28, 1)
        put_crc(head, 252, 0xFFFFFFFF, 1024)
        write(journal, head)


main()
