"""From a run to its bundle; see `zsar_jax.export`."""
