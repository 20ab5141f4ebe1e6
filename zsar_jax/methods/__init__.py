"""The two published systems behind one seam (`base.Method`)."""

from zsar_jax.config import Config
from zsar_jax.methods.base import Method
from zsar_jax.methods.e2e import E2EMethod
from zsar_jax.methods.rest import ResTMethod
from zsar_jax.types import ClassSet

METHODS: dict[str, type[E2EMethod] | type[ResTMethod]] = {"e2e": E2EMethod, "rest": ResTMethod}


def make_method(config: Config, seen: ClassSet) -> Method:
  """The method that `config.method` names, for these seen classes."""
  return METHODS[config.method](config, seen)
