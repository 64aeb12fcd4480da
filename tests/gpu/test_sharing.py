"""Workers that share one GPU. These need one: `make gpu` runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer import Client
from producer.local.server import EmbeddedServer
from producer.local.worker import WorkerProcess

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="there is no GPU here"),
]

#: Loads the engine, reads once, and prints what the process has had of the GPU, and what all have
#: of it now, MiB.
_USED = """
import subprocess
from models.engines.reader import Reader
from tilefleet.settings import Settings
reader = Reader(Settings.from_environ())
reader.read(open("samples/002.jpg", "rb").read())
import tensorflow as tf
assert tf.config.list_logical_devices("GPU"), "TensorFlow does not see the GPU"
print(tf.config.experimental.get_memory_info("GPU:0")["peak"] >> 20)
command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
"""


def used(**environ: str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", _USED],
        env={**os.environ, "TILEFLEET_ENGINE": "keras", "TILEFLEET_MAX_BATCH": "8", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    peak, held = map(int, done.stdout.split())
    return peak, held


def total() -> int:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def test_a_worker_takes_what_it_needs_and_not_the_whole_card():
    assert used()[1] < total() / 2


def test_a_worker_takes_no_more_than_it_may():
    assert used(TILEFLEET_GPU_MEMORY_MB="2048")[0] <= 2048


def test_two_workers_read_on_one_card_at_once(sample):
    environ = {"TILEFLEET_ENGINE": "keras", "TILEFLEET_MAX_BATCH": "8"}
    with (
        EmbeddedServer() as server,
        WorkerProcess(server.url, "-n", "one@%h", environ=environ),
        WorkerProcess(server.url, "-n", "two@%h", environ=environ),
        Client(server.url) as fleet,
    ):
        images = [sample + b"%d" % number for number in range(200)]
        assert len({answer.picks for _, answer in fleet.map(images)}) == 1
