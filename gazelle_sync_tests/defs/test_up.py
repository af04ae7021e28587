"""`up` starts everything with one command, and leaves no process behind however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.runtime import supervisor
from gazelle_sync.runtime.supervisor import run_ui
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync_tests.support.distance import far_away
from gazelle_sync_tests.support.receivers import webhook
from gazelle_sync_tests.support.shop import Shop

COMMAND = [sys.executable, "-m", "gazelle_sync.cli.app"]
SCHEDULES = (
    "{ repositoriesOrError { ... on RepositoryConnection { nodes { schedules { name scheduleState { status } } } } } }"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "DAGSTER_"))}
    return kept | {"GAZELLE_SYNC_HOME": str(home)}


def processes_of(home: Path) -> dict[int, str]:
    """Every living process of a home: Dagster's by its environment, PostgreSQL by its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            is_zombie = "\nState:\tZ" in (entry / "status").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (entry / "environ").read_bytes().split(b"\0")
            is_ours = f"GAZELLE_SYNC_HOME={home}".encode() in variables or str(home) in command
            if is_ours and not is_zombie:
                found[int(entry.name)] = command
    return found


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


class Up:
    """A `gazelle-sync up` that answers."""

    def __init__(self, home: Path, output: Path, **variables: str) -> None:
        self.home = home
        self.port = free_port()
        self.output = output
        with output.open("w") as lines:
            self.process = subprocess.Popen(
                [*COMMAND, "up", "--port", str(self.port), "--desk-port", "0"],
                env=environment(home) | variables,
                stdout=lines,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_for(lambda: "The UI is at" in self.text or self.process.poll() is not None, 120), self.text
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.output.read_text()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(40)
        for number in processes_of(self.home):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for the module: only the first start has to make its databases."""
    return tmp_path_factory.mktemp("up") / "home"


@pytest.fixture
def up(home: Path, tmp_path: Path) -> Iterator[Up]:
    running = Up(home, tmp_path / "up.out")
    yield running
    running.end()


def guarded(tmp_path: Path, program: str) -> subprocess.Popen[str]:
    """A supervisor with short limits, of a program in Dagster's place."""
    impatient = (
        "import sys; from gazelle_sync.runtime import supervisor as up; up.SERVICES_END_S = up.RUNS_END_S = 0.5; "
        "sys.exit(up.guard_dagster([sys.executable, '-c', sys.argv[1]]))"
    )
    guard = subprocess.Popen(
        [sys.executable, "-c", impatient, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
        cwd=PROJECT_ROOT,
        text=True,
        start_new_session=True,
    )
    assert guard.stdout is not None
    assert int(guard.stdout.readline()) > 0
    return guard


@pytest.mark.slow("all of Dagster starts: webserver, daemon and code servers, each a process that imports it")
def test_the_ui_runs_with_its_schedules_on_and_one_sigterm_to_the_parent_alone_ends_every_process(up: Up) -> None:
    assert f"http://127.0.0.1:{up.port}" in up.text
    assert Settings.load({"GAZELLE_SYNC_HOME": str(up.home)}).ui_url == f"http://127.0.0.1:{up.port}", (
        "alerts link there"
    )
    answer = httpx.post(f"http://127.0.0.1:{up.port}/graphql", json={"query": SCHEDULES}, timeout=30).json()
    schedules = answer["data"]["repositoriesOrError"]["nodes"][0]["schedules"]
    assert {schedule["scheduleState"]["status"] for schedule in schedules} == {"RUNNING"}
    assert len(processes_of(up.home)) > 5
    assert wait_for(lambda: "The desk is at" in up.text, 30), up.text
    desk = re.findall(r"The desk is at (\S+)", up.text)[0]
    assert httpx.get(f"{desk}/search", params={"q": "a"}, timeout=30).status_code == 200
    up.process.terminate()
    assert up.process.wait(40) == 0, up.text
    # The sandbox ends by itself, a moment after the last who used it.
    assert wait_for(lambda: not processes_of(up.home), 10), processes_of(up.home)


@pytest.mark.slow("all of Dagster starts; what its guard sees of a killed parent is closed on it below")
def test_after_kill_9_dagster_ends_by_itself_and_the_next_command_stops_the_database(up: Up) -> None:
    up.process.kill()
    up.process.wait()
    assert wait_for(lambda: all("postgres" in command for command in processes_of(up.home).values()), 40), processes_of(
        up.home
    )
    status = subprocess.run([*COMMAND, "status"], env=environment(up.home), capture_output=True, text=True, check=False)
    assert "gazelle-sync sync" in status.stdout, "it answered, of a database that was never set up"
    assert "Traceback" not in status.stderr
    assert wait_for(lambda: not processes_of(up.home), 10), processes_of(up.home)


def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(GazelleSyncError, match=rf"Port {port} cannot be used .* --port {port + 1}"):
            run_ui(Settings(home=tmp_path), port)
    assert not (tmp_path / "logs").exists()


def test_a_second_ui_of_one_home_is_refused_and_leaves_the_first_ones_log_alone(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "dagster.log"
    log.parent.mkdir()
    log.write_text("of the first")
    with (tmp_path / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(GazelleSyncError, match="runs already for"):
            run_ui(Settings(home=tmp_path), free_port())
    assert log.read_text() == "of the first"


def test_a_dagster_that_cannot_start_ends_the_command_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "not there"))
    assert run_ui(Settings(home=tmp_path), free_port()) == 1
    assert re.search(r"ended, so everything was stopped.*dagster\.log", capsys.readouterr().err)


def test_the_guard_ends_a_program_that_ignores_every_polite_signal_and_its_children(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']); time.sleep(300)"
    )
    with guarded(tmp_path, stubborn) as guard:
        assert guard.stdin is not None
        assert wait_for(lambda: len(processes_of(tmp_path)) == 3, 10)
        guard.stdin.close()
        guard.wait(10)
    assert wait_for(lambda: not processes_of(tmp_path), 5), processes_of(tmp_path)


def test_the_guard_ignores_the_terminals_signals_and_ends_what_a_dead_dagster_leaves(tmp_path: Path) -> None:
    leaves_one = "import subprocess, sys, time; subprocess.Popen(['sleep', '300']); time.sleep(1)"
    with guarded(tmp_path, leaves_one) as guard:
        guard.send_signal(signal.SIGINT)
        guard.send_signal(signal.SIGTERM)
        assert guard.wait(10) == 0
    assert wait_for(lambda: not processes_of(tmp_path), 5), processes_of(tmp_path)


@contextmanager
def webserver(class_name: str | None) -> Iterator[int]:
    """Answers as Dagster's webserver does, with the class of the error that the code location has; gives its port."""
    told = {"className": class_name} if class_name else {}
    body = json.dumps({"data": {"workspaceOrError": {"locationEntries": [{"locationOrLoadError": told}]}}}).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server names it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_code_server_that_does_not_answer_is_told_from_one_that_does_and_from_a_busy_webserver() -> None:
    for class_name, answers in {
        supervisor.UNREACHABLE: False,
        "DagsterInvalidDefinitionError": True,
        None: True,
    }.items():
        with webserver(class_name) as port:
            assert supervisor.code_server_answers(port) is answers, class_name
    assert supervisor.code_server_answers(free_port()), "nobody answers: that is for `dagster dev` to say"


def test_a_code_server_that_never_comes_back_ends_up_with_status_1_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    starts: list[int] = []

    @contextmanager
    def stands_in(*_: object) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(["sleep", "300"], text=True) as process:
            starts.append(process.pid)
            try:
                yield process
            finally:
                process.kill()

    monkeypatch.setattr(supervisor, "_guarded", stands_in)
    monkeypatch.setattr(supervisor, "_assert_free", lambda _port: None)
    with webserver(supervisor.UNREACHABLE) as port:
        assert run_ui(Settings(home=tmp_path), port) == 1
    assert len(starts) == 1 + supervisor.RESTARTS_AN_HOUR
    said = capsys.readouterr()
    assert said.out.count("starts again") == supervisor.RESTARTS_AN_HOUR
    assert re.search(r"code server stopped answering 4 times .*dagster\.log", said.err)


@pytest.mark.slow("all of Dagster starts twice, with half a minute in between")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_code_server_that_dies_is_noticed_and_dagster_is_started_again(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    running = Up(home, tmp_path / "up.out")
    try:
        (code_server,) = [pid for pid, command in processes_of(home).items() if "dagster api grpc" in command]
        os.kill(code_server, number)
        assert wait_for(lambda: "starts again" in running.text, 60), running.text
        assert wait_for(lambda: running.text.count("The UI is at") == 2, 120), running.text
        answer = httpx.post(f"http://127.0.0.1:{running.port}/graphql", json={"query": SCHEDULES}, timeout=30).json()
        assert answer["data"]["repositoriesOrError"]["nodes"][0]["schedules"]
        assert supervisor.code_server_answers(running.port)
        running.process.terminate()
        assert running.process.wait(60) == 0, running.text
    finally:
        running.end()


@pytest.mark.slow("three minutes: what lasts two is an outage")
def test_an_outage_of_the_database_that_holds_dagsters_storage_too_is_told_while_it_lasts_and_when_it_is_over(
    shop: Shop, dagster_database: str, tmp_path: Path
) -> None:
    port = free_port()
    home = tmp_path / "home"
    with webhook() as hook:
        with far_away(shop.url, 0.0, port=port) as way:
            running = Up(
                home,
                tmp_path / "up.out",
                GAZELLE_DATABASE_URL=way.url,
                GAZELLE_DAGSTER_POSTGRES_URL=way.to(dagster_database.partition("?")[0].rpartition("/")[2]),
                GAZELLE_API_URL=shop.sandbox.url,
                GAZELLE_API_TOKEN=shop.sandbox.api_key,
                GAZELLE_ALERT_URLS=hook.url,
            )
        try:
            assert wait_for(lambda: any("database" in title for title in hook.titles), 180), running.text
            assert running.process.poll() is None, running.text
            with far_away(shop.url, 0.0, port=port):
                assert wait_for(lambda: any("Over: " in title for title in hook.titles), 90), hook.titles
                running.process.terminate()
                running.process.wait(40)
        finally:
            running.end()
