"""The guard finds what became more expensive, and lets the rest pass."""

import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def shape(*axes):
  return jax.ShapeDtypeStruct(axes, jnp.float32)


def plain(x, w):
  return jnp.tanh(x @ w)


def findings(first, second, comparable=True):
  """Of two functions compiled and counted."""
  import guard
  import guard_counts

  arguments = (shape(32, 64), shape(64, 48))
  old, new = (guard_counts.compiled("compiled.made", jax.jit(f), *arguments) for f in (first, second))
  return {
    one.key.removeprefix("compiled.made."): one.verdict for one in guard.compare_counts(old, new, comparable)
  }


def test_the_same_function_has_the_same_counts():
  assert findings(plain, lambda x, w: jnp.tanh(x @ w)) == {}


def test_an_extra_transpose_is_found():
  def transposed(x, w):
    return jax.lax.optimization_barrier(plain(x, w).T)

  found = findings(plain, transposed)
  assert found["copies_and_transposes"] == "worse"
  assert findings(transposed, plain)["copies_and_transposes"] == "better"


@pytest.mark.parametrize("comparable", [True, False])
def test_work_done_twice_is_found_with_other_versions_too(comparable):
  def twice(x, w):
    return plain(x, w) + jnp.tanh((x + 1) @ w)

  found = findings(plain, twice, comparable)
  assert found["dots"] == found["flops"] == "worse"


def test_a_heavy_import_is_found_by_name(tmp_path):
  import guard
  import guard_counts

  module = tmp_path / "made_up_entry.py"
  module.write_text("import json\n")
  before = guard_counts.imports(("made_up_entry",), tmp_path)
  module.write_text("import json, PIL\n")
  after = guard_counts.imports(("made_up_entry",), tmp_path)
  found = guard.compare_counts(before, after, comparable=False)
  assert next(one for one in found if one.key.endswith("heavy")) == guard.Finding(
    "imports.made_up_entry.heavy", [], ["PIL"], "worse"
  )


def test_counts_may_grow_a_little_where_compilers_differ():
  import guard

  key = "compiled.demo.train.instructions"
  for new, comparable, verdict in [(1010, True, "moved"), (1030, True, "worse"), (1030, False, "moved"), (1400, False, "worse"),
                                   (900, True, "better")]:  # fmt: skip
    (found,) = guard.compare_counts({key: 1000}, {key: new}, comparable)
    assert found.verdict == verdict
  assert guard.margin("compiled.demo.train.copies_and_transposes", comparable=True) == 0
  assert guard.margin("transfer.c3d.bytes_per_clip", comparable=False) == 0
  assert guard.margin("residuals.c3d.bytes_per_clip", comparable=True) == guard.CLOSE
  assert guard.margin("work.c3d.train.multiply_adds", comparable=True) == 0
  for key in (
    "work.c3d.train.multiply_adds",
    "residuals.c3d.bytes_per_clip",
  ):  # of shapes, which no compiler chooses
    assert guard.margin(key, comparable=False) == guard.CLOSE


def test_what_is_gone_or_new_fails_and_what_moved_does_not(capsys):
  import guard

  for old, new, code in [
    ({"a": 1}, {}, 1),
    ({}, {"a": 1}, 1),
    ({"compiled.a": 1000}, {"compiled.a": 1001}, 0),
  ]:
    assert guard.conclude(list(guard.compare_counts(old, new, True)), ("worse", "gone", "new"), "so") == code
  assert "new" in capsys.readouterr().out


def test_only_training_of_some_models_is_left_out_when_quick():
  import guard_counts

  committed = json.loads((ROOT / "benchmarks/results/guard.json").read_text())["counts"]
  left_out = {key for key in committed if guard_counts.only_in_full(key)}
  names = set(guard_counts.CASES) - set(guard_counts.QUICK_MODELS)
  assert left_out == {f"work.{name}.train.multiply_adds" for name in names} | {
    f"residuals.{name}.bytes_per_clip" for name in names
  }


def test_an_entry_that_cannot_be_imported_is_told_with_its_reason(tmp_path):
  import guard_counts

  (tmp_path / "made_up_entry.py").write_text("import json\nraise OSError('no such luck')\n")
  with pytest.raises(RuntimeError, match=r"(?s)made_up_entry.*no such luck"):
    guard_counts.imports(("made_up_entry",), tmp_path)


def test_an_import_counts_what_it_brings_alone(tmp_path):
  import guard_counts

  (tmp_path / "made_up_entry.py").write_text("import sys\n")
  assert guard_counts.imports(("made_up_entry",), tmp_path)["imports.made_up_entry.modules"] == 1


def test_without_a_committed_result_nothing_passes(tmp_path, monkeypatch, capsys):
  import guard

  monkeypatch.setattr(guard, "COMMITTED", tmp_path / "none.json")
  assert guard.guard(full=False, update=False) == 2
  assert "none.json" in capsys.readouterr().err


def test_a_ratio_is_measured_again_before_it_fails():
  import guard
  import guard_ratios

  calls = []
  ratio = guard_ratios.best(
    {"ours": lambda: calls.append(1), "other": lambda: sum(range(20_000))}, enough=1e12
  )
  assert len(calls) == guard_ratios.TRIES * (guard_ratios.ROUNDS + 1)
  assert [one.verdict for one in guard.compare_ratios({"a": 3 * ratio}, {"a": ratio}, 0.5, {})] == ["worse"]
  assert not list(guard.compare_ratios({"a": 1.5 * ratio}, {"a": ratio}, 0.5, {}))


def test_a_ratio_with_a_bar_may_fall_to_it():
  import guard

  assert not list(guard.compare_ratios({"a": 9.0}, {"a": 5.0}, 0.5, {"a": 5.0}))
  assert not list(guard.compare_ratios({"a": 38.0}, {"a": 5.1}, 0.5, {"a": 5.0}))  # another machine
  (found,) = guard.compare_ratios({"a": 9.0}, {"a": 4.9}, 0.5, {"a": 5.0})
  assert found.verdict == "worse"


def guarded(*arguments):
  command = [sys.executable, "benchmarks/guard.py", *map(str, arguments)]
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_two_files_are_compared_by_their_ratios(tmp_path):
  old, new = tmp_path / "old.json", tmp_path / "new.json"
  result = json.loads((ROOT / "benchmarks/results/models-cpu.json").read_text())
  old.write_text(json.dumps(result))
  result["models"]["c3d"]["train"]["ratio"]["torch"] *= 0.7
  new.write_text(json.dumps(result))
  done = guarded("--against", old, new)
  assert done.returncode == 1
  assert "models.c3d.train.ratio.torch" in done.stdout
  assert "-30.0 %" in done.stdout
  assert guarded("--against", old, old).returncode == 0


def test_wrong_use():
  assert guarded().returncode == 2
  assert guarded("--quick", "--update").returncode == 2


def test_a_missing_file_is_wrong_use(tmp_path):
  done = guarded("--against", tmp_path / "none.json", tmp_path / "none.json")
  assert done.returncode == 2
  assert "none.json" in done.stderr
