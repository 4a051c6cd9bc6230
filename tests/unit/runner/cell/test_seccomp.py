"""The filters, call by call: what a cell may ask the kernel for before and after its task came."""

import errno

import pyseccomp  # type: ignore[import-untyped]  # one file, with annotations but no marker
import pytest

from runner.cell.seccomp import Filters
from tests.unit.runner.cell.bpf import answer, answer_to

ALLOW, KILL = pyseccomp.ALLOW, pyseccomp.KILL_PROCESS
DENY, ABSENT = pyseccomp.ERRNO(errno.EPERM), pyseccomp.ERRNO(errno.ENOSYS)
READ, WRITE, EXECUTE = 1, 2, 4
SHARED, PRIVATE, ANONYMOUS = 0x01, 0x02, 0x20
THREAD = 0x3D0F00  # what the C library makes a thread with
X32 = 0x40000000
I386 = 0x40000003


@pytest.fixture(scope="module")
def filters() -> Filters:
    return Filters.make()


@pytest.mark.parametrize(
    ("name", "arguments", "action"),
    [
        pytest.param("read", (), ALLOW, id="reads what it was given"),
        pytest.param("write", (), ALLOW, id="writes to what it was given"),
        pytest.param("futex", (), ALLOW, id="waits for its threads"),
        pytest.param("exit_group", (), ALLOW, id="ends"),
        pytest.param("recvmsg", (), ALLOW, id="receives its task"),
        pytest.param("clone", (THREAD,), ALLOW, id="starts a thread"),
        pytest.param("clone", (17,), DENY, id="forks"),
        pytest.param("clone", (THREAD | 0x10000000,), DENY, id="thread in a user namespace"),
        pytest.param("clone", (THREAD | 0x40000000,), DENY, id="thread in a network namespace"),
        pytest.param("clone3", (), ABSENT, id="hides the flags of clone"),
        pytest.param("vfork", (), DENY, id="forks as of old"),
        pytest.param("mmap", (0, 1, READ | WRITE, PRIVATE | ANONYMOUS), ALLOW, id="own memory"),
        pytest.param("mmap", (0, 1, READ, SHARED), ALLOW, id="maps what it was given"),
        pytest.param("mmap", (0, 1, READ, PRIVATE), ALLOW, id="maps a copy"),
        pytest.param("mmap", (0, 1, READ, SHARED | ANONYMOUS), DENY, id="uncounted memory"),
        pytest.param("mmap", (0, 1, 3, PRIVATE | ANONYMOUS | 0x100), DENY, id="uncounted stack"),
        pytest.param("mmap", (0, 1, 3, PRIVATE | ANONYMOUS | 0x40000), DENY, id="huge pages"),
        pytest.param("mmap", (0, 1, 3, PRIVATE | ANONYMOUS | 0x20000), ALLOW, id="thread's stack"),
        pytest.param("newfstatat", (3, 1, 1, 0x1000), ALLOW, id="looks at a descriptor"),
        pytest.param("newfstatat", (3, 1, 1, 0), DENY, id="looks at a path"),
        pytest.param("stat", (), DENY, id="looks at a path as of old"),
        pytest.param("fcntl", (0, 6), DENY, id="locks"),
        pytest.param("mmap", (0, 1, READ, SHARED | PRIVATE), DENY, id="validated mapping"),
        pytest.param("mmap", (0, 1, READ | EXECUTE, PRIVATE), DENY, id="maps code"),
        pytest.param("mmap", (0, 1, 7, PRIVATE | ANONYMOUS), DENY, id="memory for code"),
        pytest.param("mprotect", (0, 1, READ | WRITE), ALLOW, id="makes memory writable"),
        pytest.param("mprotect", (0, 1, READ | EXECUTE), DENY, id="makes memory executable"),
        pytest.param("pkey_mprotect", (0, 1, READ | EXECUTE), DENY, id="by a key"),
        pytest.param("prlimit64", (0, 7, 0), ALLOW, id="reads a limit"),
        pytest.param("prlimit64", (0, 7, 1), DENY, id="sets a limit"),
        pytest.param("setrlimit", (), DENY, id="sets a limit as of old"),
        pytest.param("prctl", (15,), ALLOW, id="names a thread"),
        pytest.param("prctl", (4, 1), DENY, id="becomes dumpable"),
        pytest.param("prctl", (1, 0), DENY, id="outlives the zygote"),
        pytest.param("fcntl", (0, 3), ALLOW, id="reads flags"),
        pytest.param("fcntl", (0, 1033), DENY, id="seals"),
        pytest.param("fcntl", (0, 1031), DENY, id="enlarges a pipe"),
        pytest.param("ioctl", (0, 0x5421), ALLOW, id="does not block"),
        pytest.param("ioctl", (0, 0x5412), DENY, id="types into a terminal"),
        *(
            pytest.param(name, (), DENY, id=name)
            for name in (
                *("socket", "connect", "bind", "listen", "accept4", "socketpair", "sendmsg"),
                *("sendto", "kill", "tgkill", "memfd_create", "memfd_secret", "shmget", "msgget"),
                *("semget", "pipe2", "eventfd2", "inotify_init1", "timerfd_create", "openat"),
                *("setuid", "setgroups", "chdir", "fchdir", "symlinkat", "linkat", "mkdirat"),
                *("unlinkat", "seccomp", "landlock_create_ruleset", "pidfd_open", "dup2"),
                *("sched_setaffinity", "setpriority", "splice", "sendfile", "mlock", "chmod"),
            )
        ),
        *(
            pytest.param(name, (), KILL, id=name)
            for name in (
                *("ptrace", "process_vm_readv", "process_vm_writev", "execve", "execveat", "bpf"),
                *("io_uring_setup", "userfaultfd", "perf_event_open", "keyctl", "mount", "unshare"),
                *("setns", "pidfd_getfd", "open_by_handle_at", "pivot_root", "kexec_load"),
            )
        ),
    ],
)
def test_a_cell_may_make_few_calls(
    filters: Filters, name: str, arguments: tuple[int, ...], action: int
) -> None:
    assert answer(filters.locked, name, arguments) == action


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("openat", ALLOW),
        ("newfstatat", ALLOW),
        ("unlink", ALLOW),
        ("ftruncate", ALLOW),
        ("mkdir", DENY),
        ("symlink", DENY),
        ("link", DENY),
        ("mknod", DENY),
        ("rename", DENY),
        ("chmod", DENY),
        ("chdir", DENY),
        ("execve", KILL),
    ],
)
def test_a_cell_with_a_spill_makes_plain_files_too(
    filters: Filters, name: str, action: int
) -> None:
    assert answer(filters.locked_with_spill, name) == action


@pytest.mark.parametrize(
    ("name", "arguments", "action"),
    [
        pytest.param("recvmsg", (), DENY, id="recvmsg"),
        pytest.param("recvfrom", (), DENY, id="recvfrom"),
        pytest.param("prctl", (22, 2), DENY, id="another filter"),
        pytest.param("read", (), ALLOW, id="what the first filter decides"),
    ],
)
def test_nothing_is_received_after_the_task(
    filters: Filters, name: str, arguments: tuple[int, ...], action: int
) -> None:
    assert answer(filters.closing, name, arguments) == action


def test_a_number_that_nobody_knows_is_refused(filters: Filters) -> None:
    assert answer_to(filters.locked, 10_000, pyseccomp.system_arch()) == DENY


@pytest.mark.parametrize(
    ("number", "arch"),
    [
        pytest.param(X32, None, id="x32"),
        pytest.param(1, I386, id="i386"),
    ],
)
def test_a_call_of_another_architecture_kills(
    filters: Filters, number: int, arch: int | None
) -> None:
    found = answer_to(filters.locked, number, arch or pyseccomp.system_arch())

    assert found in {pyseccomp.KILL_THREAD, KILL}
