"""The command line as a shell sees it: what is mistyped, completed, coloured, said or not."""

import io
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from producer.cli.main import main
from producer.terminal import verbosity
from producer.terminal.advice import with_advice
from producer.terminal.progress import Progress
from tests.conftest import SAMPLES
from tests.support.commands import commands
from tilefleet import FleetUnreachable, ModelNotFound, Overloaded
from tilefleet.errors import did_you_mean


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("TILEFLEET_STORE", str(tmp_path / "store"))
    return lambda *arguments: CliRunner().invoke(
        main, [str(each) for each in arguments], prog_name="tilefleet"
    )


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["slove"], "no such command slove; did you mean solve?"),
        (["models", "lst"], "no such command lst; did you mean list?"),
        (["solve", "--jsno", "a.jpg"], "no such option --jsno; did you mean --json?"),
        (["--setings"], "no such option --setings; did you mean --settings?"),
        (["models", "evaluate", "--captchas", str(SAMPLES) + "s"], f"did you mean {SAMPLES}?"),
    ],
)
def test_what_is_mistyped_is_one_line_with_what_was_meant(run, arguments, meant):
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("tilefleet")
    assert meant in line
    assert line.endswith("--help)")


def test_what_is_like_nothing_gets_the_list_of_what_there_is(run):
    (line,) = run("xyzzy").stderr.splitlines()
    assert all(words[0] in line for words in commands() if len(words) == 1)


@pytest.mark.parametrize("option", [("-n", "2"), ("--processes=2",)])
def test_how_many_workers_goes_before_what_celery_gets(run, option):
    (line,) = run("worker", "--loglevel", "info", *option).stderr.splitlines()
    assert "goes in front of the options of celery worker: tilefleet worker -n 2" in line


def test_a_file_or_a_model_that_is_not_there_gets_the_one_of_a_like_name(run, tmp_path):
    (tmp_path / "captcha.jpg").write_bytes(b"any")
    (line,) = run("solve", "--local", tmp_path / "captcah.jpg").stderr.splitlines()
    assert line.endswith(f"did you mean {tmp_path / 'captcha.jpg'}?")
    (line,) = run("solve", "--local", "--model", "Bultin", tmp_path / "captcha.jpg").stderr.split(
        "\n", 1
    )[:1]
    assert line.endswith("did you mean builtin?")


def test_a_variable_that_is_no_setting_is_told_by_every_command_unless_quiet(run, monkeypatch):
    monkeypatch.setenv("TILEFLEET_MODLE", "x")
    told = "tilefleet: TILEFLEET_MODLE is not a setting; did you mean TILEFLEET_MODEL?\n"
    assert told in run("models", "list").stderr
    assert told not in run("models", "list", "-q").stderr


@pytest.mark.parametrize("command", [words for words in commands() if words], ids=" ".join)
def test_every_command_may_be_quiet_or_verbose(command):
    each = commands()[command]
    names = {name for parameter in each.params for name in parameter.opts}
    assert isinstance(each, click.Group) or {"-q", "--quiet", "-v", "--verbose"} <= names


def test_verbose_shows_where_an_error_was_raised(run):
    arguments = ("solve", "--local", "--model", "nothing", "any.jpg")
    assert "Traceback" not in run(*arguments).stderr
    assert "Traceback" in run(*arguments, "-v").stderr
    assert "ModelNotFound" in run(*arguments, "-v").stderr


def test_quiet_and_a_terminal_that_only_prints_show_no_progress(monkeypatch):
    class Terminal:
        shown = ""

        def isatty(self):
            return True

        def write(self, text):
            self.shown += text

        def flush(self):
            pass

    for level, term, silent in ((0, "xterm", False), (-1, "xterm", True), (0, "dumb", True)):
        monkeypatch.setenv("TERM", term)
        with click.Context(main) as context:
            context.meta[verbosity._META] = level
            terminal = Terminal()
            with Progress(5, stream=terminal) as progress:
                progress._next = 0.0
                progress.count()
            assert (terminal.shown == "") is silent


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_are_as_the_environment_wants_them(monkeypatch, environ, wanted):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert verbosity.colour() is wanted
    assert main.make_context("tilefleet", ["top"]).color is wanted


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (FleetUnreachable("redis://here: Connection refused"), "tilefleet up"),
        (FleetUnreachable("redis://here: invalid username-password pair"), "user:password@"),
        (FleetUnreachable("redis://here: OOM command not allowed"), "maxmemory"),
        (FleetUnreachable("redis://here: NOPERM this user"), "users.acl"),
        (FleetUnreachable("redis://hree: Name or service not known"), "spelt right"),
        (FleetUnreachable("rediss://here: nothing accepted within 10 s"), "redis:// for others"),
        (Overloaded("1000 wait on captcha"), "start more workers"),
    ],
)
def test_what_goes_wrong_on_the_way_says_what_to_do(monkeypatch, error, advice):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    assert advice in with_advice(error)
    assert with_advice(error).startswith(str(error))
    assert "\n" not in with_advice(error)


def test_a_server_that_was_named_is_asked_about_by_its_variable(monkeypatch):
    error = FleetUnreachable("redis://here: Connection refused")
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setenv("CELERY_BROKER_URL_FILE", "/run/secrets/url")
    assert "is CELERY_BROKER_URL_FILE right" in with_advice(error)
    assert with_advice(ModelNotFound("no model")) == "no model"


def test_the_version_names_all_that_a_report_needs(run, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:secret@127.0.0.1:1/0")
    result = run("--version")
    assert result.exit_code == 0
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert {"tilefleet", "Python", "Celery", "redis-py", "server", "model"} == {*rows}
    assert "Connection refused" in rows["server"]
    assert "secret" not in result.stdout
    assert rows["model"].strip().startswith("builtin@")


@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
def test_completion_is_printed_for_each_shell(run, shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_TILEFLEET_COMPLETE={shell}_complete" in result.stdout


def test_completion_without_a_shell_takes_the_one_that_runs(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert "zsh_complete" in run("completion").stdout
    monkeypatch.setenv("SHELL", "/bin/dash")
    assert "one of bash, zsh, fish" in run("completion").stderr.lower()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tilefleet sol", "solve"),
        ("tilefleet models ", "evaluate"),
        ("tilefleet solve --js", "--json"),
        ("tilefleet solve --local --model ", "builtin"),
        ("tilefleet bench --model ", "builtin"),
        ("tilefleet doctor --model ", "builtin"),
    ],
)
def test_commands_options_and_models_are_completed(words, found):
    done = subprocess.run(
        [sys.executable, "-c", "from producer.cli import main; main(prog_name='tilefleet')"],
        env={
            **os.environ,
            "_TILEFLEET_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"plain,{found}" in done.stdout.splitlines()
    assert not done.stderr


def test_names_are_suggested_whatever_their_case_and_not_when_nothing_is_near():
    assert did_you_mean("BUILTN", ["builtin", "chained"]) == "; did you mean builtin?"
    assert did_you_mean("zzz", ["builtin", "chained"]) == ""


def test_a_client_alone_has_a_command_line_and_is_told_what_the_rest_needs(tmp_path):
    """Each command that needs more says so in one line; the others need no more."""
    missing = ("numpy", "PIL", "fastjsonschema", "ai_edge_litert", "rich", "watchfiles")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}));"
        "from producer.cli import main; main(prog_name='tilefleet')"
    )
    (tmp_path / "a.jpg").write_bytes(b"any")
    for arguments, code, told in (
        (("--help",), 0, "solve"),
        (("--version",), 0, "pip install 'tilefleet[worker]'"),
        (("doctor", "--timeout", "1"), 1, "skip  model"),
        (("models", "list"), 1, "pip install 'tilefleet[worker]'"),
        (("top",), 1, "pip install 'tilefleet[terminal]'"),
        (("solve", "--watch", str(tmp_path)), 1, "pip install 'tilefleet[terminal]'"),
        (("solve", "--local", str(tmp_path / "a.jpg")), 1, "pip install 'tilefleet[worker]'"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (arguments, done)
        assert told in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", "/\xe9.jpg: no such".encode("latin-1")), ("latin-1", b"\\u7535")],
)
def test_output_takes_names_that_are_no_text_and_labels_that_its_encoding_lacks(
    monkeypatch, tmp_path, encoding, said
):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    main.make_context("tilefleet", ["completion", "bash"])
    name = os.fsdecode(b"/\xe9.jpg")
    print("电" if encoding == "latin-1" else f"{name}: no such", file=stream, flush=True)
    assert stream.buffer.getvalue().startswith(said)


def test_a_disk_that_is_full_is_one_line_and_a_closed_output_none(tmp_path):
    script = "from producer.cli import main; main(prog_name='tilefleet')"
    for output, said in (("/dev/full", "tilefleet: No space left on device\n"), ("&-", "")):
        done = subprocess.run(
            ["sh", "-c", f'"$0" -c "$1" --settings >{output}', sys.executable, script],
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        assert done.stderr == said


def test_ctrl_c_is_one_line_at_every_command(run, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tilefleet.settings.Settings.from_environ", interrupted)
    for arguments in (("solve", "any.jpg"), ("doctor",), ("bench",), ("--settings",)):
        result = run(*arguments)
        assert result.exit_code == 130
        assert result.stderr.splitlines()[-1].startswith("tilefleet: stopped")
