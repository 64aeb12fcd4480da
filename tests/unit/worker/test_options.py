"""Every option of ``celery worker`` is decided: it works, or ends the start with one line."""

import os
import subprocess
import sys

import pytest
from celery.bin.worker import worker as celery_worker

from tilefleet.settings import Settings
from worker.options import WorkerOptions, command

#: What each option is given here, and the pools that refuse it. The others' options are shown to
#: work in tests/integration/worker/test_options.py.
GREEN = ("gevent", "eventlet")
SHARED = ("threads", "solo")
ANY = (*SHARED, "prefork", "processes")
OPTIONS = {
    "hostname": (["-n", "one@here"], ()),
    "detach": (["-D"], ()),
    "statedb": (["-S", "state"], ()),
    "loglevel": (["-l", "INFO"], ()),
    "optimization": (["-O", "fair"], ()),
    "prefetch_multiplier": (["--prefetch-multiplier", "2"], SHARED),
    "disable_prefetch": (["--disable-prefetch"], ANY),
    "concurrency": (["-c", "2"], ()),
    "pool": ([], ()),
    "task_events": (["-E"], ()),
    "time_limit": (["--time-limit", "9"], SHARED),
    "soft_time_limit": (["--soft-time-limit=9"], SHARED),
    "max_tasks_per_child": (["--max-tasks-per-child", "9"], SHARED),
    "pool_start_method": (["--pool-start-method", "spawn"], ANY),
    "max_memory_per_child": (["--max-memory-per-child=99000"], SHARED),
    "purge": (["--purge"], ()),
    "queues": (["-Q", "captcha"], ()),
    "exclude_queues": (["-X", "captcha.bulk"], ()),
    "include": (["-I", "os"], ()),
    "without_gossip": (["--without-gossip"], ()),
    "without_mingle": (["--without-mingle"], ()),
    "without_heartbeat": (["--without-heartbeat"], ()),
    "heartbeat_interval": (["--heartbeat-interval", "1"], ()),
    "autoscale": (["--autoscale=4,1"], SHARED),
    "beat": (["-B"], ()),
    "schedule_filename": (["-s", "schedule"], ()),
    "scheduler": (["--scheduler", "celery.beat:PersistentScheduler"], ()),
    "logfile": (["-f", "log"], ()),
    "pidfile": (["--pidfile", "pid"], ()),
    "uid": (["--uid", "1"], ()),
    "gid": (["--gid", "1"], ()),
    "umask": (["--umask", "077"], ()),
    "executable": (["--executable", "python"], ()),
}


def refusal(*arguments, **settings):
    return WorkerOptions(arguments).refusal(Settings(**settings))


def test_no_option_of_celerys_is_forgotten():
    assert {each.name for each in celery_worker.params} == set(OPTIONS)


@pytest.mark.parametrize("pool", ANY)
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_works_or_is_refused_with_what_to_use_instead(name, pool):
    arguments, refusing = OPTIONS[name]
    why = refusal("-P", pool, *arguments)
    assert bool(why) is (pool in refusing)
    if why:
        assert why.startswith("--" + name.replace("_", "-"))
        assert "\n" not in why
        assert ": " in why


@pytest.mark.parametrize("pool", GREEN)
def test_pools_of_green_threads_are_refused(pool):
    assert "use -P threads" in refusal(f"--pool={pool}")


def test_a_pool_that_is_none_of_ours_gets_the_names_of_those_there_are():
    assert refusal("-P", "custom") == (
        "-P custom is not usable: there are threads, solo, prefork, processes"
    )
    assert refusal("-P", "thread").endswith("; did you mean threads?")


@pytest.mark.parametrize(
    "given", [["-P", "prefork"], ["-Pprefork"], ["--pool=prefork"], ["-EP", "prefork"]]
)
def test_the_pool_is_found_however_it_is_written(given):
    options = WorkerOptions(given)
    assert options.has_processes
    assert any("docs/guarantees.md" in line for line in options.warnings(["builtin"]))
    assert not WorkerOptions([]).has_processes
    assert not WorkerOptions(["-n", "-Pprefork"]).has_processes


def test_without_an_engine_room_its_settings_are_refused():
    for setting in ("metrics", "health"):
        assert "TILEFLEET_" + setting.upper() in refusal("-P", "prefork", **{setting: "9100"})
        assert not refusal(**{setting: "9100"})


def test_a_worker_whose_queues_are_no_lanes_says_so():
    (warning,) = WorkerOptions(["-Q", "captchas, other"]).warnings(["builtin"])
    assert "captcha.bulk" in warning
    assert not WorkerOptions(["-Q", "other,captcha"]).warnings(["builtin"])
    for without in ("captcha,captcha.bulk", "captcha.bulk,captcha,other"):
        (warning,) = WorkerOptions(["-X", without]).warnings(["builtin", "mine"])
        assert warning.startswith(f"-X {without}: this worker reads no captchas")
    (warning,) = WorkerOptions(["-Q", "captcha", "-X", "captcha"]).warnings(["builtin"])
    assert "reads no captchas" in warning
    assert not WorkerOptions(["-X", "captcha"]).warnings(["builtin"])


@pytest.mark.parametrize("option", ["--logfile", "--pidfile", "--statedb", "--schedule-filename"])
def test_a_file_that_cannot_be_written_is_refused(option, tmp_path):
    file = tmp_path / "file"
    for name in ("file", "%n.file", "%n/file"):
        assert not refusal(option, str(tmp_path / name))
    missing = tmp_path / "missing" / "file"
    told = refusal(option, str(missing))
    assert told == f"{option} {missing} is not usable: there is no folder {missing.parent}"
    assert refusal(option, str(tmp_path)).endswith("it is a folder")
    if os.getuid():
        file.touch(0o400)
        assert refusal(option, str(file)).endswith(f"{file} cannot be written to")
        # Who it is to be may.
        assert not refusal(option, str(file), "--uid", "0")
    # Told from a folder that is not there yet.
    assert not refusal(option, "missing/file", "--workdir", "/")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("-I no.such.module", "--include no.such.module is not usable: there is no module 'no."),
        ("-I os,,", "--include os,, is not usable: there is no module ''"),
        ("-B --scheduler no_such:Any", "there is no module 'no_such'"),
        ("--uid nobody-is", "--uid nobody-is is not usable: there is no user 'nobody-is'"),
        ("--gid no-group", "--gid no-group is not usable: there is no group 'no-group'"),
        ("-S /etc/passwd", "--statedb /etc/passwd is not usable: it is no database"),
        ("-c 1025", "--concurrency 1025 is not usable: a worker has 1024 at most"),
    ],
)
def test_a_value_that_celery_would_run_into_is_refused(given, why):
    # As root: who else may write that file?
    assert why in refusal(*given.split(), *(["--uid", "0"] if "-S" in given else []))


def test_a_lane_of_a_model_that_is_not_held_is_refused():
    told = refusal("-Q", "captcha,captcha@mine")
    assert "does not hold the model 'mine'; TILEFLEET_MODEL=builtin,mine" in told
    assert not refusal("-Q", "captcha,captcha@mine", models=("builtin", "mine"))
    assert not WorkerOptions(["-Q", "captcha.bulk@mine"]).warnings(["builtin", "mine"])


def test_celerys_commands_are_told_apart():
    assert command(["celery", "-A", "worker", "worker", "-c", "1"]) == ("worker", ["-c", "1"])
    assert command(["celery", "-A", "worker", "inspect", "ping"]) == ("inspect", ["ping"])
    assert command(["celery", "--app", "worker", "purge"])[0] == ""
    assert command(["pytest"]) == ("", ())


def test_what_is_refused_ends_the_start_with_one_line_also_in_the_background():
    for option in ("--autoscale=4,1", "-D"):
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "worker", "worker", option, "--time-limit=3"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        (line,) = (done.stdout + done.stderr).splitlines()
        assert line.startswith("tilefleet: --")


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (["--loglevl", "info"], "No such option '--loglevl'"),
        (["-c"], "Option '-c' requires an argument"),
        (["-c", "many"], "must be a non-negative integer or 'auto', got 'many'"),
        (["-l", "lound"], "'LOUND' is not one of 'DEBUG'"),
        (["--autoscale", "x"], "Expected an integer. Got ['x'] instead"),
        (["-c", "0"], ""),
        (["-c", "auto", "-l", "info", "-Q", "captcha", "--beat", "-P", "solo"], ""),
    ],
)
def test_what_celery_does_not_understand_is_known_before_anything_is_loaded(given, mistake):
    found = WorkerOptions(given).mistake
    assert mistake in found if mistake else found == ""


def test_a_supervisor_says_it_once_and_starts_nobody():
    done = subprocess.run(
        [sys.executable, "-m", "worker.supervisor", "--loglevl", "info"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("tilefleet: No such option '--loglevl'")
    assert line.endswith("; celery worker --help lists what there is")
