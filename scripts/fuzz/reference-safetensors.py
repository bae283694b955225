"""Reads files of safetensors, each behind its length (u32), and prints for each whether the reference reads it."""

import struct
import sys

from safetensors import deserialize

stream = sys.stdin.buffer
while head := stream.read(4):
    data = stream.read(struct.unpack("<I", head)[0])
    try:
        deserialize(data)
        print("read")
    except Exception as error:
        print("refused", str(error).replace("\n", " ")[:200])
