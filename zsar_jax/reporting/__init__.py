"""From the files of an evaluation to pictures and one page. Needs numpy at import time; no JAX, no TensorFlow, ever."""
