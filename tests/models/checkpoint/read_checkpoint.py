"""Reads a checkpoint as docs/file_formats/checkpoint.md describes it, with nothing but Python.

usage: read_checkpoint.py FOLDER OUT

Writes the elements of all tensors and kinds, one after the other, into OUT.
"""
import json
import os
import re
import struct
import sys

TRAILER = re.compile(rb',\n "hash": "[0-9a-f]{16}"\n}\n\Z')


def unique(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def parse(text):
    return json.loads(text, object_pairs_hook=unique)


def read_file(path, size):
    """The tensors of one file: name -> (shape, bytes)."""
    with open(path, "rb") as file:
        contents = file.read()
    assert len(contents) == size, path
    (length,) = struct.unpack_from("<Q", contents)
    assert length % 8 == 0
    header = parse(contents[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    tensors, end = {}, 0
    for name, entry in header.items():  # in the order of their bytes
        begin, next_end = entry["data_offsets"]
        assert entry["dtype"] == "F32" and begin == end, name
        end = next_end
        tensors[name] = (entry["shape"], contents[8 + length + begin : 8 + length + end])
    assert 8 + length + end == size, path
    return tensors


def indices(begin, end):
    """All indices of a box, row-major."""
    if not begin:
        yield ()
        return
    for first in range(begin[0], end[0]):
        for rest in indices(begin[1:], end[1:]):
            yield (first, *rest)


def read_state(tensor, kind, files):
    """The elements of one tensor and kind, row-major."""
    elements = {}
    for piece in tensor[kind]["pieces"]:
        begin, end = piece["begin"], piece["end"]
        ranges = ",".join(f"{b}:{e}" for b, e in zip(begin, end))
        shape, data = files[piece["file"]].pop(f"{tensor['name']}:{kind}[{ranges}]")
        assert shape == [e - b for b, e in zip(begin, end)], shape
        values = struct.unpack(f"<{len(data) // 4}f", data)
        box = list(indices(begin, end))
        assert len(box) == len(values)
        elements.update(zip(box, values))
    whole = list(indices([0] * len(tensor["shape"]), tensor["shape"]))
    assert len(elements) == len(whole)
    return [elements[index] for index in whole]


def main(folder, out):
    with open(os.path.join(folder, "manifest.json"), "rb") as file:
        text = file.read()
    assert TRAILER.search(text)
    manifest = parse(text)
    assert next(iter(manifest.items())) == ("stagecraft_checkpoint", 1)
    files = [read_file(os.path.join(folder, f["name"]), f["bytes"]) for f in manifest["files"]]
    with open(out, "wb") as file:
        for tensor in manifest["tensors"]:
            for kind in ("weight", "first_moment", "second_moment"):
                values = read_state(tensor, kind, files)
                file.write(struct.pack(f"<{len(values)}f", *values))
    assert not any(files), "a file holds more than the manifest says"


main(*sys.argv[1:])
