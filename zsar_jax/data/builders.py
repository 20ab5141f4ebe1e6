"""Which command makes the records of a data set."""

import os

# The start of a data set's name, and what builds it; data_prep's sources and the options that they need.
_OFFICIAL = (
  ("kinetics", "kinetics --annotations train.csv val.csv --videos kinetics/"),
  ("ucf101", "ucf101 --videos UCF101.rar"),
  ("hmdb51", "hmdb51 --videos hmdb51_org.rar"),
  ("activitynet", "activitynet --annotations activity_net.v1-3.min.json --videos activitynet/"),
  ("sun397", "sun397 --images SUN397.tar.gz"),
)


def build_command(directory: str, short_side: int) -> str:
  """Such as `python -m data_prep.build folder --videos VIDEOS --out data/mine --short_side 128`; by the name of the folder."""
  name = os.path.basename(directory.rstrip("/")).lower()
  source = next((told for start, told in _OFFICIAL if name.startswith(start)), "folder --videos VIDEOS")
  return f"python -m data_prep.build {source} --out {directory} --short_side {short_side}"
