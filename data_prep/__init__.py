"""Offline preparation: lists what sources hold and drives zsar_jax.data's writer.

Imports zsar_jax, never the reverse.
"""
