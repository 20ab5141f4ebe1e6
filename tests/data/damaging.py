"""Damage done to indexes and record files, for tests."""

import json


def change_description(folder, **changes):
  file = folder / "index" / "index.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def flip(file, offset):
  contents = bytearray(file.read_bytes())
  contents[offset] ^= 1
  file.write_bytes(contents)
