"""The HTTP server and its page, around `zsar_jax.recognition`."""
