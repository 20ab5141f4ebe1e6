import pathlib
import sys

# The small videos are shared with the tests of zsar_jax.data.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
