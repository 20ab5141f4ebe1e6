"""Offline preparation: lists what sources hold and drives zsar_jax.data's writer.

Imports zsar_jax, never the reverse.
"""

import zsar_jax as zsar_jax  # says so where the environment is not active
