import os
import signal
import threading
import time

import pytest

from zsar_jax.data.worker import Worker, WorkerDied, WorkerTimeout


def test_one_process_does_many_calls():
  with Worker() as worker:
    first = worker.call(os.getpid, timeout=30)
    assert worker.call(os.getpid, timeout=30) == first != os.getpid()


def test_exceptions_come_back():
  with Worker() as worker, pytest.raises(ZeroDivisionError):
    worker.call(divmod, 1, 0, timeout=30)


def test_a_hang_is_ended_and_the_next_call_works():
  with Worker() as worker:
    first = worker.call(os.getpid, timeout=30)
    with pytest.raises(WorkerTimeout, match=r"not done after 0\.2 s"):
      worker.call(time.sleep, 1000, timeout=0.2)
    with pytest.raises(ProcessLookupError):
      os.kill(first, 0)
    assert worker.call(os.getpid, timeout=30) != first


def test_a_crash_is_named_and_the_next_call_works():
  with Worker() as worker:
    with pytest.raises(WorkerDied, match="SIGABRT"):
      worker.call(os.abort, timeout=30)
    with pytest.raises(WorkerDied, match="exit code 3"):
      worker.call(os._exit, 3, timeout=30)
    assert worker.call(abs, -2, timeout=30) == 2


def test_another_thread_can_end_a_call():
  with Worker() as worker:
    worker.call(abs, 1, timeout=30)
    timer = threading.Timer(0.2, worker.kill)
    timer.start()
    with pytest.raises(WorkerDied, match="SIGKILL"):
      worker.call(time.sleep, 1000, timeout=60)
    timer.join()


def test_the_process_ends_with_the_worker():
  worker = Worker()
  pid = worker.call(os.getpid, timeout=30)
  worker.close()
  with pytest.raises(ProcessLookupError):
    os.kill(pid, signal.SIGCONT)


def test_a_process_that_died_between_calls_costs_nobody_a_call():
  with Worker() as worker:
    first = worker.call(os.getpid, timeout=30)
    os.kill(first, signal.SIGKILL)
    time.sleep(0.05)
    assert worker.call(os.getpid, timeout=30) != first


def test_signals_to_the_group_do_not_end_a_call():
  with Worker() as worker:
    pid = worker.call(os.getpid, timeout=30)
    timers = [threading.Timer(0.1, os.kill, (pid, one)) for one in (signal.SIGTERM, signal.SIGINT)]
    for timer in timers:
      timer.start()
    assert worker.call(time.sleep, 0.3, timeout=30) is None
    assert worker.call(os.getpid, timeout=30) == pid
    for timer in timers:
      timer.join()
