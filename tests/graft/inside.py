"""Runs in an interpreter of the graft: what can be seen there of the six objects, of the adapter and of its layouts, as JSON."""
import ctypes
import json
import struct
import sys


def table(name):
    """A table of layouts.h, or nothing where there is none."""
    class Row(ctypes.Structure):
        _fields_ = [("what", ctypes.c_char_p), ("number", ctypes.c_longlong)]
    try:
        rows = (Row * 1000).in_dll(ctypes.pythonapi, name)
    except ValueError:
        return {}
    out = {}
    for row in rows:
        if row.what is None:
            break
        out[row.what.decode()] = row.number
    return out


def section(name):
    """What a section of this program holds: its place from the file's headers, its bytes from memory."""
    with open("/proc/self/exe", "rb") as file:
        elf = file.read()
    (start,), (size, count, names) = struct.unpack_from("<Q", elf, 40), struct.unpack_from("<HHH", elf, 58)

    def header(i):      # name, type, flags, address, offset, size
        return struct.unpack_from("<IIQQQQ", elf, start + i * size)
    texts = header(names)[4]
    for i in range(count):
        at, _, _, address, _, length = header(i)
        if elf[texts + at:elf.index(b"\0", texts + at)] == name:
            return ctypes.string_at(address, length)
    return b""


def address(name):
    try:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    except AttributeError:
        return None


print(json.dumps({"version": sys.version, "marks": [mark.decode() for mark in section(b"groundfloor").split(b"\0") if mark],
                  "port": table("graft_layouts_of_port"), "cpython": table("graft_layouts_of_cpython"),
                  "addresses": {name: address(name) for name in sys.argv[1:]}}))
