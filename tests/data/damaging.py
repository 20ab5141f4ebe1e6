"""Damage done to indexes and record files, for tests."""

import json

from zsar_jax.files import json_digest


def change_description(folder, **changes):
  file = folder / "index" / "index.json"
  description = json.loads(file.read_text()) | changes
  file.write_text(json.dumps(description | {"sha256": json_digest(description)}))


def flip(file, offset):
  contents = bytearray(file.read_bytes())
  contents[offset] ^= 1
  file.write_bytes(contents)
