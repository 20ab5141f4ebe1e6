"""What lies in the `checkpoints` folder of a workdir: steps and their manifests. Needs neither JAX nor Orbax."""
