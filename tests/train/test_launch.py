"""Which processes belong together: literal environments, and the metadata server of a TPU."""

import argparse
import http.server
import threading

import pytest

from zsar_jax.errors import InputError
from zsar_jax.train.launch import FLAGS, Launch, add_arguments, detected, launch, own_device

OMPI = {
  "OMPI_COMM_WORLD_SIZE": "4",
  "OMPI_COMM_WORLD_RANK": "3",
  "OMPI_COMM_WORLD_LOCAL_RANK": "1",
  "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}
ORTE = OMPI | {"OMPI_MCA_orte_hnp_uri": "4096.0;tcp://10.0.0.7,10.1.0.7:34911"}
SLURM = {
  "SLURM_JOB_ID": "8193", "SLURM_STEP_NODELIST": "node[07,09-12]", "SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1",
  "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "4",
}  # fmt: skip


@pytest.mark.parametrize(
  ("environ", "expected"),
  [
    ({}, None),
    (OMPI, "ompi"),
    (OMPI | SLURM, "ompi"),
    (OMPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
    (SLURM | OMPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
    (SLURM, "slurm"),
    (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),  # an interactive shell inside a job of eight tasks
    (SLURM | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}, None),
    ({k: v for k, v in SLURM.items() if "STEP" not in k}, None),  # a batch script without srun
    ({k: v for k, v in SLURM.items() if k != "SLURM_STEP_NUM_TASKS"}, "slurm"),
    ({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}, "tpu"),
    ({"TPU_WORKER_HOSTNAMES": "a,b", "JAX_PLATFORMS": "cpu"}, None),
    ({"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"}, None),
    ({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}, "tpu"),
    ({"TPU_PROCESS_ADDRESSES": "a:8471,b:8471"}, "tpu"),
  ],
)
def test_detected(environ, expected):
  assert detected(environ) == expected


@pytest.mark.parametrize(
  ("how", "environ", "expected"),
  [
    ("ompi", OMPI, 1),
    ("ompi", OMPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, None),
    ("ompi", OMPI | {"CUDA_VISIBLE_DEVICES": "0,1"}, 1),
    ("ompi", OMPI | {"CUDA_VISIBLE_DEVICES": "1"}, None),
    ("slurm", SLURM, 1),
    ("slurm", SLURM | {"SLURM_STEP_NUM_NODES": "8"}, None),
    ("slurm", SLURM | {"JAX_LOCAL_DEVICE_IDS": "0,1"}, None),
    ("tpu", {}, None),
  ],
)
def test_a_process_with_a_host_of_its_own_uses_all_its_devices(how, environ, expected):
  assert own_device(how, environ) == expected


def flags(*argv):
  parser = argparse.ArgumentParser()
  add_arguments(parser)
  return parser.parse_args(argv)


def start(environ, monkeypatch, argv=()):
  for key, value in environ.items():
    monkeypatch.setenv(key, value)
  return launch(flags(*argv), environ, 1)


def test_launchers_are_understood_as_jax_does(monkeypatch):
  assert start(ORTE, monkeypatch) == Launch("10.0.0.7:61441", 4, 3, 1)
  monkeypatch.delenv("OMPI_MCA_orte_hnp_uri")
  with pytest.raises(InputError, match="mpirun -x JAX_COORDINATOR_ADDRESS"):
    start(OMPI, monkeypatch)
  assert start(OMPI | {"JAX_COORDINATOR_ADDRESS": "node1:9"}, monkeypatch) == Launch("node1:9", 4, 3, 1)
  monkeypatch.delenv("JAX_COORDINATOR_ADDRESS")
  assert start(SLURM, monkeypatch) == Launch("node07:61441", 8, 5, 1)
  with pytest.raises(InputError, match="SLURM_PROCID='x' in the environment"):
    start(SLURM | {"SLURM_PROCID": "x"}, monkeypatch)


def test_flags_win_over_the_environment():
  argv = ("--coordinator", "[::1]:9", "--num_processes", "2", "--process_id", "0")
  assert launch(flags(*argv), SLURM, 1) == Launch("[::1]:9", 2, 0, None)
  assert launch(flags("--coordinator=a:1", "--num_processes=1", "--process_id=0"), SLURM, 1) is None
  assert launch(flags(), {}, 1) is None
  assert set(vars(flags())) == set(FLAGS)


def test_every_wrong_flag_is_listed():
  with pytest.raises(InputError) as error:
    launch(flags("--coordinator", "node1", "--num_processes", "two"), {}, 1)
  assert str(error.value).splitlines()[1:] == [
    "  - --process_id is missing",
    "  - --coordinator=node1 is no HOST:PORT, such as node1:9876",
    "  - --num_processes=two is no whole number from 1 on",
  ]
  with pytest.raises(
    InputError, match="--process_id=2 is not below --num_processes=2; processes are counted from 0 to 1"
  ):
    launch(flags("--coordinator", "a:1", "--num_processes", "2", "--process_id", "2"), {}, 1)
  for address in ("a:0", "a:65536", ":80", "a:-1", "a:８"):
    with pytest.raises(InputError, match="HOST:PORT"):
      launch(flags("--coordinator", address, "--num_processes", "2", "--process_id", "1"), {}, 1)


@pytest.fixture
def metadata(monkeypatch):
  """A metadata server as a TPU's virtual machine has one; its attributes."""
  import jax._src.clusters  # noqa: F401  sets variables of its own where there is no TPU

  attributes = {}

  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      value = attributes.get(self.path.rpartition("/")[2])
      self.send_response(404 if value is None else 200)
      self.end_headers()
      self.wfile.write((value or "").encode())

    def log_message(self, *_):
      pass

  with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{server.server_port}")
    monkeypatch.delenv("TPU_SKIP_MDS_QUERY", raising=False)
    monkeypatch.setattr("jax._src.clusters.cloud_tpu_cluster.running_in_cloud_tpu_vm", True)
    yield attributes
    server.shutdown()


def test_a_tpu_that_spans_hosts_is_asked_for_them(metadata):
  metadata |= {
    "agent-worker-number": "1",
    "worker-network-endpoints": "a:1:127.0.0.1,b:2:127.0.0.2",
    "tpu-env": "ZONE: 'x'",
  }
  assert launch(flags(), {}, 5) == Launch("127.0.0.1:8482", 2, 1, None)
  assert launch(flags(), {"JAX_PLATFORMS": "cpu"}, 5) is None


def test_a_tpu_of_one_host_starts_nothing(metadata, monkeypatch):
  metadata |= {
    "agent-worker-number": "0",
    "worker-network-endpoints": "a:1:127.0.0.1",
    "tpu-env": "ZONE: 'x'",
  }
  assert launch(flags(), {}, 5) is None
  monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")  # nobody there
  with pytest.warns(UserWarning, match="how many hosts this TPU spans cannot be found out"):
    assert launch(flags(), {}, 5) is None
