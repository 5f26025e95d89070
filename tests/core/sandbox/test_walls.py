import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from core.children import Limits
from core.errors import Misconfigured
from core.local_stack.servers import Servers
from core.sandbox.isolation import Isolation, isolation
from core.sandbox.run import Sandbox
from core.settings import SandboxMode
from tests.core.sandbox.children import REFUSED, needs_filter, needs_namespaces, python, told

ROOT = Path(__file__).parents[3]

CONNECT = """
import socket, sys
def connect(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(3)
            client.connect(address)
    except OSError as error:
        return type(error).__name__
    return "connected"
"""


def postgres_socket(stack: Servers) -> Path:
    [host] = parse_qs(urlsplit(stack.environment["DATABASE_URL"]).query)["host"]
    return Path(host) / ".s.PGSQL.5432"


def redis_socket(stack: Servers) -> Path:
    return Path(unquote(urlsplit(stack.environment["REDIS_URL"]).path))


class TestWhatItSees:
    @pytest.mark.parametrize("find", [postgres_socket, redis_socket])
    def test_no_socket_of_the_local_stack(self, sandbox: Sandbox, folder: Path, stack: Servers, find):
        path = find(stack)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        code = CONNECT + "print(connect(socket.AF_UNIX, sys.argv[1]))"
        assert told(sandbox.run(python(code, path), folder=folder)) in {"FileNotFoundError", "PermissionError"}

    def test_no_server_on_loopback(self, sandbox: Sandbox, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as server:
            code = CONNECT + "print(connect(socket.AF_INET, ('127.0.0.1', int(sys.argv[1]))))"
            assert told(sandbox.run(python(code, server.getsockname()[1]), folder=folder)) in {"OSError", "PermissionError"}

    @needs_namespaces
    def test_no_network_interface_that_is_up(self, sandbox: Sandbox, folder: Path):
        code = """
            import fcntl, socket, struct
            with socket.socket() as any_socket:
                answer = fcntl.ioctl(any_socket, 0x8913, struct.pack("16sH14x", b"lo", 0))  # SIOCGIFFLAGS; bit 0: up
            print(struct.unpack("16sH14x", answer)[1] & 1)
        """
        assert told(sandbox.run(python(code), folder=folder)) == "0"

    @needs_namespaces
    def test_loopback_where_it_is_asked_for_is_its_own(self, sandbox: Sandbox, folder: Path):
        code = CONNECT + (
            'here = socket.create_server(("127.0.0.1", 0))\n'
            "print(*(connect(socket.AF_INET, ('127.0.0.1', port)) for port in (here.getsockname()[1], int(sys.argv[1]))))"
        )
        with socket.create_server(("127.0.0.1", 0)) as server:
            ended = sandbox.run(python(code, server.getsockname()[1]), folder=folder, limits=Limits(loopback=True))
        assert told(ended) == "connected ConnectionRefusedError"

    @needs_filter
    def test_no_socket_that_namespaces_do_not_cover(self, sandbox: Sandbox, folder: Path):
        code = CONNECT + "print(connect(getattr(socket, 'AF_VSOCK', 40), (2, 1)))"
        assert told(sandbox.run(python(code), folder=folder)) == "PermissionError"

    def test_no_abstract_socket(self, sandbox: Sandbox, folder: Path):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"\0askstephen-test-{os.getpid()}")
            server.listen()
            code = CONNECT + "print(connect(socket.AF_UNIX, chr(0) + sys.argv[1]))"
            said = told(sandbox.run(python(code, f"askstephen-test-{os.getpid()}"), folder=folder))
        assert said in {"ConnectionRefusedError", "PermissionError"}

    @needs_namespaces
    def test_no_file_of_the_local_stack(self, sandbox: Sandbox, folder: Path, stack: Servers):
        key = stack.home / "keys"
        key.write_text("a key")
        code = "import os, sys; print([os.path.exists(path) for path in sys.argv[1:]])"
        assert told(sandbox.run(python(code, key, stack.home), folder=folder)) == "[False, False]"

    @needs_namespaces
    def test_no_folder_of_another_attempt(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "draft").write_text("somebody else's")
        code = "import os, sys; print(os.listdir(sys.argv[1]), os.path.exists(sys.argv[2]))"
        assert told(sandbox.run(python(code, tmp_path, other), folder=folder)) == "['attempt'] False"

    @needs_namespaces
    def test_no_source_of_ours_and_nothing_of_the_system_but_programs(self, sandbox: Sandbox, folder: Path):
        code = "import os, sys; print([path for path in sys.argv[1:] if os.path.exists(path)])"
        paths = [ROOT / "core", ROOT / ".env.example", ROOT / ".git", "/etc/shadow", "/etc/passwd", "/etc/ssh", "/var", "/run"]
        assert told(sandbox.run(python(code, *paths), folder=folder)) == "[]"

    def test_no_password_file_where_namespaces_are_refused_either(self, sandbox: Sandbox, folder: Path):
        said = sandbox.run(["cat", "/etc/shadow"], folder=folder)
        assert said.returncode == 1
        assert said.stdout == ""

    def test_an_environment_of_four_words(self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("SECRET_KEYS", "one:two")
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        seen = json.loads(told(sandbox.run(python(code), folder=folder)))
        assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own doing, where the locale is missing
        assert sorted(seen) == ["HOME", "LANG", "PATH", "TMPDIR"]
        assert seen["HOME"] == seen["TMPDIR"] == str(folder)

    @needs_namespaces
    def test_no_process_but_its_own(self, sandbox: Sandbox, folder: Path):
        code = "import os; print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit()), os.getpid())"
        assert told(sandbox.run(python(code), folder=folder)) in {"[1, 2] 2", "[] 2"}

    def test_nothing_open_but_its_three_streams(self, sandbox: Sandbox, folder: Path):
        code = """
            import os
            found = []
            for descriptor in range(256):
                try:
                    os.fstat(descriptor)
                except OSError:
                    continue
                found.append(descriptor)
            print(found, os.read(0, 1))
        """
        assert told(sandbox.run(python(code), folder=folder)) == "[0, 1, 2] b''"

    def test_the_installed_programs_and_packages(self, sandbox: Sandbox, folder: Path):
        argv = [sys.executable, "-I", "-c", "import structlog, ssl, ctypes, sqlite3; print(structlog.__name__)"]
        assert told(sandbox.run(argv, folder=folder)) == "structlog"

    def test_a_program_of_ours_that_is_an_input(self, sandbox: Sandbox, folder: Path):
        program = ROOT / "core" / "errors.py"
        assert told(sandbox.run([sys.executable, "-I", str(program)], folder=folder, inputs=[program])) == ""

    def test_a_program_behind_a_link(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        link = tmp_path / "echo"
        link.symlink_to(shutil.which("echo"))
        assert told(sandbox.run([str(link), "hello"], folder=folder)) == "hello"

    def test_what_programs_names(self, folder: Path, tmp_path: Path):
        package = tmp_path / "package"
        package.mkdir()
        (package / "data").write_text("read me")
        assert (
            told(Sandbox(mode=SandboxMode.AUTO, programs=[package]).run(["cat", f"{package}/data"], folder=folder)) == "read me"
        )

    def test_a_null_device_and_chance(self, sandbox: Sandbox, folder: Path):
        code = (
            "import os; open('/dev/null', 'w').write('x'); print(len(os.urandom(8)), len(open('/dev/urandom', 'rb').read(8)))"
        )
        assert told(sandbox.run(python(code), folder=folder)) == "8 8"


class TestWhatItMayDo:
    def test_it_writes_into_its_folder_and_we_read_and_remove_it(self, sandbox: Sandbox, folder: Path):
        (folder / "ours").write_text("before")
        told(sandbox.run(["sh", "-c", "cat ours > theirs && mkdir sub && echo more >> ours && echo x > sub/y"], folder=folder))
        assert (folder / "theirs").read_text() == "before"
        assert (folder / "ours").read_text() == "beforemore\n"
        assert (folder / "theirs").stat().st_mode & 0o777 == 0o600
        shutil.rmtree(folder)

    def test_as_root_its_files_are_not_roots(self, sandbox: Sandbox, folder: Path):
        if os.geteuid():
            pytest.skip("only root can give files away")
        told(sandbox.run(["touch", "made"], folder=folder))
        assert (folder / "made").stat().st_uid == isolation().identity[0]

    @needs_namespaces
    def test_its_input_is_read_only(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        given = tmp_path / "in.mp4"
        given.write_text("the source")
        given.chmod(0o666)
        output = sandbox.run(["sh", "-c", f"cat {given}; echo more >> {given}"], folder=folder, inputs=[given])
        assert output.stdout == "the source"
        assert "Read-only file system" in output.stderr
        assert given.read_text() == "the source"

    @needs_namespaces
    def test_an_input_inside_its_folder_is_read_only_too(self, sandbox: Sandbox, folder: Path):
        given = folder / "in.mp4"
        given.write_text("the source")
        output = sandbox.run(["sh", "-c", f"cat {given}; echo more >> {given}; rm {given}"], folder=folder, inputs=[given])
        assert output.stdout == given.read_text() == "the source"

    def test_a_whole_folder_can_be_an_input(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "weights").write_text("7")
        assert told(sandbox.run(["cat", f"{tmp_path}/model/weights"], folder=folder, inputs=[tmp_path / "model"])) == "7"

    @needs_namespaces
    @pytest.mark.parametrize("place", ["/", "/usr/bin", "/etc", "/proc/sys/kernel", "/dev", sys.prefix + "/lib"])
    def test_it_writes_nowhere_else(self, sandbox: Sandbox, folder: Path, place: str):
        code = """
            import os, sys
            try:
                os.close(os.open(f"{sys.argv[1]}/new", os.O_CREAT | os.O_WRONLY))
            except OSError as error:
                print(type(error).__name__)
        """
        assert told(sandbox.run(python(code, place), folder=folder)) in {"OSError", "PermissionError", "FileNotFoundError"}

    @needs_namespaces
    def test_its_tmp_is_small_and_its_own(self, sandbox: Sandbox, folder: Path):
        code = """
            import errno
            try:
                with open("/tmp/big", "wb") as file:
                    for _ in range(100):
                        file.write(bytes(1 << 20))
            except OSError as error:
                print(errno.errorcode[error.errno])
        """
        assert told(sandbox.run(python(code), folder=folder)) == "ENOSPC"
        assert not Path("/tmp/big").exists()

    @needs_namespaces
    @pytest.mark.parametrize(
        "deed",
        [
            "os.setuid(0)",
            "os.setgroups([0])",
            "os.chown('.', 0, 0)",
            "os.chroot('.')",
            "os.mknod('device', 0o60666, os.makedev(254, 0))",
            "os.kill(1, 9); os.kill(1, 0) or sys.exit('still there')",
            pytest.param("call('unshare', 0x10000000)", marks=needs_filter),
            "call('unshare', 0x00020000)",
            "call('mount', b'none', b'.', b'tmpfs', 0, None)",
            "call('mount', None, b'/usr/bin', None, 32 | 4096, None)",
            "call('umount2', b'/usr/bin', 2)",
            "call('ptrace', 16, os.getppid(), None, None)",
            "call('setns', os.open('/proc/self/ns/user', os.O_RDONLY), 0)",
            pytest.param("call('syscall', 425, 8, ctypes.create_string_buffer(200))", marks=needs_filter),
            pytest.param("call('syscall', 56, 0x10000011, None, None, None, None)", marks=needs_filter),
            "open(f'/proc/{os.getppid()}/mem', 'r+b')",
            "os.listdir(f'/proc/{os.getppid()}/fd')",
            "call('sethostname', b'x', 1)",
        ],
    )
    def test_it_gains_nothing(self, sandbox: Sandbox, folder: Path, deed: str):
        code = f"""
            import ctypes, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            def call(name, *arguments):
                if getattr(libc, name)(*arguments) < 0:
                    raise OSError(ctypes.get_errno(), name)
            try:
                {deed}
            except OSError as error:
                sys.exit(f"refused: {{error}}")
        """
        output = sandbox.run(python(code), folder=folder)
        assert output.returncode == 1
        assert output.stderr.startswith(("refused", "still there")), output.stderr

    def test_a_setuid_program_gives_it_nothing(self, sandbox: Sandbox, folder: Path):
        status = told(sandbox.run(["cat", "/proc/self/status"], folder=folder))
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["NoNewPrivs"] == "1"
        assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}

    def test_it_may_use_threads_processes_and_pipes(self, sandbox: Sandbox, folder: Path):
        code = """
            import subprocess, threading
            threads = [threading.Thread(target=subprocess.run, args=(["true"],)) for _ in range(20)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            print(subprocess.run(["echo", "hello"], stdout=subprocess.PIPE).stdout)
        """
        assert told(sandbox.run(python(code), folder=folder)) == "b'hello\\n'"


class TestWhatItLeaves:
    def test_links_and_fifos_are_removed(self, sandbox: Sandbox, folder: Path):
        told(sandbox.run(["sh", "-c", "mkdir a; ln -s /etc/shadow a/out.mp4; mkfifo a/pipe; echo 1 > a/plain"], folder=folder))
        assert [path.name for path in (folder / "a").iterdir()] == ["plain"]

    def test_a_folder_that_nobody_may_enter_can_be_removed(self, sandbox: Sandbox, folder: Path):
        told(sandbox.run(["sh", "-c", "mkdir -p a/b; echo 1 > a/b/c; chmod 000 a/b a"], folder=folder))
        shutil.rmtree(folder)

    def test_folders_nested_thousands_deep_can_be_removed(self, sandbox: Sandbox, folder: Path):
        code = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nos.symlink('/', 'root')"
        told(sandbox.run(python(code), folder=folder))
        assert not any(path.is_symlink() for path in folder.rglob("*"))
        shutil.rmtree(folder)

    def test_a_link_made_by_an_earlier_child_cannot_be_an_input(self, sandbox: Sandbox, folder: Path):
        (folder / "in").symlink_to("/etc/shadow")
        with pytest.raises(Misconfigured, match="symbolic link"):
            sandbox.run(["true"], folder=folder, inputs=[folder / "in"])

    @needs_namespaces
    def test_a_linked_folder_on_the_way_to_an_input_leads_nowhere(self, sandbox: Sandbox, folder: Path, tmp_path: Path):
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "key").write_text("a key")
        (folder / "way").symlink_to(tmp_path / "secrets")
        with pytest.raises(Misconfigured, match="No such file"):
            sandbox.run(["cat", f"{folder}/way/key"], folder=folder, inputs=[folder / "way" / "key"])


class TestIsolation:
    def test_it_is_told_in_a_sentence(self, shut_in: Isolation):
        assert "namespaces of their own" in shut_in.sentence
        assert Sandbox(mode=SandboxMode.REQUIRED)

    @needs_filter
    def test_where_namespaces_are_refused(self, folder: Path):
        code = REFUSED + textwrap.dedent("""
            import json, sys
            from pathlib import Path
            from core.errors import Misconfigured
            from core.sandbox.isolation import isolation
            from core.sandbox.run import Sandbox
            from core.settings import SandboxMode
            try:
                Sandbox(mode=SandboxMode.REQUIRED)
            except Misconfigured as error:
                refusal = str(error)
            said = Sandbox(mode=SandboxMode.AUTO).run(["bash", "-c", sys.argv[2]], folder=Path(sys.argv[1]))
            found = isolation()
            print(json.dumps([refusal, found.complete, found.filter, found.sentence, found.identity, said.stdout.strip(), said.stderr]))
        """)
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), "id -u; : < /dev/tcp/127.0.0.1/9"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        refusal, complete, filtered, sentence, identity, user, errors = json.loads(done.stdout.splitlines()[-1])
        assert "SANDBOX=required" in refusal
        assert not complete
        assert filtered
        assert "without namespaces" in sentence
        assert "unshare: Operation not permitted" in sentence
        assert user == str(identity[0] if identity else os.getuid())
        assert "Operation not permitted" in errors
