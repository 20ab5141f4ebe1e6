"""How every command of the guide is run here. A command that is not in this table fails `test_docs_commands.py`."""

from typing import NamedTuple

from running import TINY

RUN, PARSE, MAKE, PIP, SERVED = "run", "parse", "make", "pip", "served"


class Entry(NamedTuple):
  """A command as the pages have it, and its stand-ins."""

  command: str  # continued lines joined
  how: str = RUN  # PARSE: its own parser reads it, and a config's keys are checked; MAKE: the target is there
  swap: tuple[tuple[str, str], ...] = ()  # text -> what stands in for it here
  more: str = ""  # appended, to shrink it
  after: tuple[str, ...] = ()  # starts of commands whose files it reads: they are run before
  leaves: tuple[str, ...] = ()  # files that are there afterwards
  slow: bool = True
  why: str = ""  # of PARSE: what is missing here, or where it is run


def _keys(overrides: dict) -> str:
  return " ".join(f"--config.{key}={value}" for key, value in overrides.items())


_DEMO = _keys(TINY | {"train.warmup.steps": 2})
_REPORTED = _DEMO.replace("--config.eval.report=False", "--config.eval.report=True")
_E2E = _keys(TINY).replace("--config.eval.report=False", "--config.eval.report=True")
_PAPER = _keys(TINY | {
  "data.short_side": 40, "data.crop": 32, "data.num_frames": 4, "data.stride": 1, "model.bn_group_size": 0,
  "checkpoint.every_steps": 100, "eval.report": True})  # fmt: skip
_SMALL = _keys({"train.joint.steps": 3, "train.batch_size": 8, "eval.batch_size": 8})
_REST18 = f"{_PAPER} " + _keys({
  "data.dir": "data/short256", "model.backbone": "resnet_tiny", "model.width": 32, "model.num_layers": 1, "model.num_heads": 2,
  "model.hidden": 64, "train.warmup.steps": 2})  # fmt: skip
_SOURCE = "--allow_missing --workers 1"  # a few classes stand for all
_EXPORT = "python -m zsar_jax.export --workdir runs/demo --to models/demo"
_FIGURES = '"juggling while jumping, waving while walking, punching while kicking"'
_CHECK = "python -m zsar_jax.classes check --classes kinetics700"
_EMBED = "python -m zsar_jax.classes embed"
_MINE = "python -m data_prep.build folder --videos VIDEOS --out data/mine --short_side 128 --workers 8"
_UCF = (("UCF101.rar", "UCF101.zip"),)  # a rar wants a program that not every machine has
_HMDB = (("hmdb51_org.rar", "hmdb51_org.zip"),)
_TRAINED = ("make demo",)
_HOURS = "hours; tests/benchmarks and tests/zeroshot run parts of the benchmarks"

TABLE = (
  # The demo, and what is done with it.
  Entry("make demo", MAKE, swap=(("make demo", "python -m zsar_jax.main --config configs/demo.py"),), more=_REPORTED,
        leaves=("runs/demo/report.html", "runs/demo/report.json")),
  Entry("make demo CONFIG=configs/demo.py:e2e", MAKE,
        swap=(("make demo CONFIG=", "python -m zsar_jax.main --config "),), more=_E2E,
        leaves=("runs/demo-e2e/report.html",)),
  *(Entry(f"make {target}", MAKE, slow=False) for target in ("test", "format", "lint", "test-all", "guard", "docs")),
  Entry("source .venv/bin/activate", MAKE, slow=False),
  *(Entry(f"pip install {what}", PIP, slow=False)
    for what in ('-e ".[serve]" -c constraints.txt', '-e ".[beam]" -c constraints.txt', '-e ".[bench]" -c constraints.txt')),
  Entry("python -m zsar_jax.data.synthetic --write figures --domain street --per_class 1 --seed 7",
        leaves=("figures/juggling_while_jumping/00000.mp4",)),
  Entry(_EXPORT, after=_TRAINED, leaves=("models/demo/README.md", "models/demo/SHA256SUMS")),
  Entry(f'{_EXPORT} --words words.txt --licence "CC BY 4.0"', swap=(("models/demo", "models/words"),), after=_TRAINED,
        leaves=("models/words/README.md",)),
  Entry(f"{_EXPORT} --format stablehlo", swap=(("models/demo", "models/hlo"),), after=_TRAINED,
        leaves=("models/hlo/stablehlo/cpu.bin", "models/hlo/stablehlo/accelerators.bin")),
  *(Entry(f"python -m zsar_jax.predict --model models/demo {what} --classes {_FIGURES}",
          after=(_EXPORT, "python -m zsar_jax.data.synthetic --write"))
    for what in ("figures", "figures/juggling_while_jumping --explain")),
  Entry(f"python -m zsar_jax.predict --model models/demo VIDEOS --classes {_FIGURES}", after=(_EXPORT,)),
  Entry("python -m zsar_jax.predict --model models/demo VIDEOS --classes names.txt --top 3 --explain --timeline timelines",
        after=(_EXPORT,), leaves=("timelines",)),
  Entry("python -m zsar_jax.predict --model models/demo VIDEOS --classes names.txt --json", after=(_EXPORT,)),
  Entry("python -m zsar_jax.serve --model models/demo", SERVED, after=(_EXPORT,)),
  Entry('curl -F video=@a.mp4 -F "classes=juggling while jumping, waving while walking" '
        "http://127.0.0.1:8000/v1/classify", SERVED, after=(_EXPORT,)),
  Entry("curl -H \"Content-Type: application/json\" -d '{\"classes\": [\"juggling while jumping\", \"waving while walking\"]}' "
        "http://127.0.0.1:8000/v1/classes", SERVED, after=(_EXPORT,)),
  # Evaluation and checkpoints.
  Entry("python -m zsar_jax.main --config configs/demo.py --evaluate_only", more=_DEMO, after=_TRAINED),
  Entry("python -m zsar_jax.main --config configs/demo.py --evaluate_only --config.eval.frame_order=single", more=_DEMO,
        after=_TRAINED, leaves=("runs/demo/report-single.json",)),
  Entry("python -m zsar_jax.main --config configs/demo.py --evaluate_only --config.vectors=hash:50 --results runs/demo-hash50",
        more=_DEMO, after=_TRAINED, leaves=("runs/demo-hash50/report.json",)),
  Entry("python -m zsar_jax.tune --workdir runs/demo", after=_TRAINED, leaves=("runs/demo/tuning.json",)),
  Entry("python -m zsar_jax.report runs/demo", after=_TRAINED, leaves=("runs/demo/report.html",)),
  Entry("python -m zsar_jax.report runs/demo runs/demo-e2e --out runs/both",
        after=(*_TRAINED, "make demo CONFIG"), leaves=("runs/both/report.html",)),
  *(Entry(f"python -m zsar_jax.checkpoints {what} runs/demo", after=_TRAINED) for what in ("list", "verify")),
  Entry("python -m zsar_jax.checkpoints copy runs/demo runs/demo-copy", after=_TRAINED, leaves=("runs/demo-copy/config.json",)),
  Entry("python -m zsar_jax.checkpoints prune runs/demo-copy --keep 1 --keep_best 1",
        after=("python -m zsar_jax.checkpoints copy",)),
  # Names.
  Entry(f"{_CHECK} --vectors GoogleNews-vectors-negative300.bin", slow=False),
  Entry("python -m zsar_jax.classes check --classes names.txt --vectors GoogleNews-vectors-negative300.bin", slow=False),
  Entry(f"{_EMBED} --classes kinetics700 ucf101 hmdb51 --vectors GoogleNews-vectors-negative300.bin --out vectors.npz",
        leaves=("vectors.npz",), slow=False),
  Entry("python -m zsar_jax.classes overlap --seen kinetics700 --unseen ucf101,hmdb51 --vectors vectors.npz --figure overlap.png",
        after=(_EMBED,), leaves=("overlap.png",), slow=False),
  # Records.
  Entry(_MINE, swap=(("--workers 8", "--workers 1"),), leaves=("data/mine/quarantine.jsonl",), slow=False),
  Entry("python -m data_prep.build kinetics --annotations train.csv val.csv --videos kinetics/ --out data/short256/kinetics700 "
        "--short_side 256", more=_SOURCE),
  Entry("python -m data_prep.build kinetics --annotations train.csv val.csv --videos kinetics/ --out data/short128/kinetics700 "
        "--short_side 128", more=_SOURCE),
  Entry("python -m data_prep.build ucf101 --videos UCF101.rar --out data/short256/ucf101 --short_side 256", swap=_UCF, more=_SOURCE),
  Entry("python -m data_prep.build ucf101 --videos UCF101.rar --out data/short128/ucf101 --short_side 128", swap=_UCF, more=_SOURCE),
  Entry("python -m data_prep.build hmdb51 --videos hmdb51_org.rar --out data/short256/hmdb51 --short_side 256", swap=_HMDB,
        more=_SOURCE),
  Entry("python -m data_prep.build hmdb51 --videos hmdb51_org.rar --out data/short128/hmdb51 --short_side 128", swap=_HMDB,
        more=_SOURCE),
  Entry("python -m data_prep.build activitynet --annotations activity_net.v1-3.min.json --videos activitynet/ --out "
        "data/short128/activitynet200 --short_side 128", more=_SOURCE),
  Entry("python -m data_prep.build sun397 --images SUN397.tar.gz --out data/short128/sun397 --short_side 128", more=_SOURCE),
  Entry("python -m data_prep.build csv --csv list.csv --out data/listed --short_side 128", more="--workers 1"),
  Entry("python -m data_prep.build features --features FEATURES --out data/features", more="--workers 1"),
  Entry("python -m data_prep.build ucf101 --videos UCF101.rar --verify", swap=_UCF, more=_SOURCE),
  Entry("python -m data_prep.build records --records data/short256/ucf101 --out data/short128/ucf101 --short_side 128",
        swap=(("--out data/short128/", "--out data/again/"),), more="--workers 1",
        after=("python -m data_prep.build ucf101 --videos UCF101.rar --out data/short256",)),
  Entry("python -m data_prep.build folder --videos VIDEOS --out data/mine --short_side 128 --runner beam --beam_args "
        "--runner=FlinkRunner --flink_master=HOST:8081",
        swap=(("data/mine", "data/by-beam"), ("--runner=FlinkRunner --flink_master=HOST:8081", "--runner=DirectRunner"))),
  Entry("python -m data_prep.index tensorflow_datasets/ucf101/ucf101_1/2.0.0"),
  Entry("python -m data_prep.build ucf101 --tfds tensorflow_datasets/ucf101/ucf101_1/2.0.0 --out data/short128/ucf101 --short_side 128",
        swap=(("--out data/short128/", "--out data/from-tfds/"),), more="--workers 1", after=("python -m data_prep.index",)),
  Entry("python -m zsar_jax.data.pipeline --config configs/rest18.py --profile", more=f"{_REST18} --config.vectors=hash:300",
        after=tuple(f"python -m data_prep.build {source}" for source in ("kinetics", "ucf101", "hmdb51"))),
  # Training.
  Entry("python -m zsar_jax.main --config configs/small.py --workdir runs/small --config.vectors=GoogleNews-vectors-negative300.bin "
        "--config.data.seen='mine:!juggling+fencing' --config.data.unseen='mine:juggling+fencing'", more=_SMALL, after=(_MINE,),
        leaves=("runs/small/report.html",)),
  Entry("python -m zsar_jax.report runs/small", after=("python -m zsar_jax.main --config configs/small.py",)),
  Entry("python -m zsar_jax.main --config configs/e2e_r2plus1d.py --workdir runs/mine "
        "--config.vectors=GoogleNews-vectors-negative300.bin --config.data.dir=data --config.data.seen='mine:!juggling+fencing' "
        "--config.data.unseen='mine:juggling+fencing'", more=f"{_PAPER} --config.model.backbone=r2plus1d_tiny", after=(_MINE,),
        leaves=("runs/mine/report.html",)),
  Entry("python -m zsar_jax.main --config configs/rest18.py --config.vectors=GoogleNews-vectors-negative300.bin", more=_REST18,
        after=tuple(f"python -m data_prep.build {source}" for source in ("kinetics", "ucf101", "hmdb51")),
        leaves=("runs/rest18/report.html",)),
  Entry("python -m zsar_jax.tune --workdir runs/rest18", more="--num_folds 2",
        after=("python -m zsar_jax.main --config configs/rest18.py",)),
  Entry("python -m zsar_jax.main --config configs/rest18.py --config.vectors=GoogleNews-vectors-negative300.bin --evaluate_only",
        more=_REST18,
        after=("python -m zsar_jax.main --config configs/rest18.py",)),
  Entry("python -m zsar_jax.main --config configs/rest101.py --workdir runs/rest101 "
        "--config.vectors=GoogleNews-vectors-negative300.bin", PARSE, slow=False,
        why="as rest18 above; every config is run, shrunk, by tests/test_shipped_configs.py"),
  Entry("srun --nodes=8 --ntasks-per-node=8 python -m zsar_jax.main --config configs/rest101.py --workdir /shared/runs/rest101 "
        "--config.data.dir=/shared/data/short256", PARSE, swap=(("srun --nodes=8 --ntasks-per-node=8 ", ""),), slow=False,
        why="no cluster; tests/train/test_launch.py reads SLURM's variables"),
  Entry("mpirun -n 64 -x JAX_COORDINATOR_ADDRESS=HOST:PORT python -m zsar_jax.main --config configs/rest101.py "
        "--workdir /shared/runs/rest101", PARSE, swap=(("mpirun -n 64 -x JAX_COORDINATOR_ADDRESS=HOST:PORT ", ""),), slow=False,
        why="no cluster; tests/train/test_launch.py reads Open MPI's variables"),
  Entry("python -m zsar_jax.main --config configs/rest101.py --workdir /shared/runs/rest101 --coordinator HOST:PORT --num_processes 2 "
        "--process_id 0", PARSE, slow=False,
        why="two hosts; tests/train/test_distributed.py starts two processes with these flags"),
  # Weights.
  Entry("python -m zsar_jax.models.weights --arch r2plus1d_18 --from r2plus1d_18.pth --to weights/r2plus1d_18 --classes kinetics400.txt",
        leaves=("weights/r2plus1d_18",)),
  Entry("python -m zsar_jax.models.weights --from weights/r2plus1d_18 --to r2plus1d_18.safetensors",
        after=("python -m zsar_jax.models.weights --arch",), leaves=("r2plus1d_18.safetensors",)),
  Entry("python -m zsar_jax.main --config configs/e2e_r2plus1d.py --config.model.init_from=weights/r2plus1d_18", PARSE, slow=False,
        why="a large network; its variant from_sun397 is run, shrunk, by tests/test_shipped_configs.py"),
  # Costs, studies, benchmarks.
  Entry("python -m zsar_jax.describe --config configs/rest18.py"),
  Entry("python -m zsar_jax.describe --config configs/rest101.py"),
  Entry("python -m zsar_jax.describe --config configs/e2e_r2plus1d.py"),
  Entry("python -m zsar_jax.describe --config configs/rest101.py --json --device v5e --config.model.remat=true"),
  Entry("python -m zsar_jax.describe --config configs/rest101.py --device h200 --devices 64 --config.train.batch_size=1024"),
  Entry("python -m zsar_jax.describe --config configs/rest101.py --device h200 --devices 64 --config.train.batch_size=1024 "
        "--config.train.scale_lr=true --config.model.dtype=bfloat16"),
  Entry("python -m zsar_jax.study --config configs/studies/num_classes.py --dry_run", slow=False),
  *(Entry(f"python -m zsar_jax.study --config configs/studies/num_classes.py{variant}", PARSE, slow=False,
          why="18 and 6 trainings; tests/studies runs small ones") for variant in ("", ":demo")),
  *(Entry(f"python benchmarks/{what}", PARSE, slow=False, why=_HOURS)
    for what in ("input.py --json", "models.py --arch all --against torch --json", "evaluate.py --json", "embedding.py --json",
                 "startup.py", "scaling.py", "tables.py", "guard.py --quick", "input_variants.py", "feeding.py", "tried.py",
                 "operations.py --arch r2plus1d_18,resnet18", "overhead.py", "demo.py", "ablations.py --seeds 11", "pod_table.py",
                 "predict.py --json --case demo models/demo figures",
                 "serving.py --model models/demo --videos figures")),
)  # fmt: skip
