"""What `zsar_jax.predict` reads from its command line and makes of the answers: tables, one JSON document, timelines."""
