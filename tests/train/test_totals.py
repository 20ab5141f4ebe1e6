"""Metrics added up on the device."""

import json
import math

import jax.numpy as jnp

from zsar_jax.train.totals import Totals


def metrics(loss, steps=1.0):
  return {"loss": jnp.float32(loss), "steps": jnp.float32(steps)}


def test_means_over_steps_that_count():
  totals = Totals({})
  for loss in (1.0, 2.0, 6.0):
    totals.add(metrics(loss))
  totals.add(metrics(0.0, steps=0.0))
  assert totals.take() == {"loss": 3.0}
  totals.add(metrics(0.0, steps=0.0))
  assert math.isnan(totals.take()["loss"])


def test_sums_go_on_from_a_checkpoint_to_the_last_bit():
  losses = [0.1, 0.2, 0.7, 1e-7]
  whole, first = Totals({}), Totals({})
  for loss in losses[:2]:
    whole.add(metrics(loss))
    first.add(metrics(loss))
  second = Totals(json.loads(json.dumps(first.saved())))
  for loss in losses[2:]:
    whole.add(metrics(loss))
    second.add(metrics(loss))
  assert whole.take() == second.take()
