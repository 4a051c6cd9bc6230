"""The red team: what each hostile program tries, which wall stops it, and how that looks.

A program in a cell without a spill meets the filter first. With a spill it may open files, and
what keeps it to its folder is its own root (the file is not there) or Landlock (it may not).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cleanroom.walls import Wall, Walls
from runner.cell.protocol import Failure

PATHS = "own root or landlock"
CLOCK = "wall clock"
OUTPUT = "output"
ROOMY_SECONDS, SHORT_SECONDS = 30.0, 0.2


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt."""

    program: str
    wall: str
    ends: frozenset[str]  # answers of the program, or how its cell ended
    spill: bool = False
    seconds: float = ROOMY_SECONDS

    @property
    def name(self) -> str:
        """How it is told from the others."""
        return f"{self.program} (spill)" if self.spill else self.program

    def stopped(self, end: str) -> bool:
        """Whether it ended as it should."""
        return end in self.ends


def cases(stand: Walls) -> list[Case]:
    """List the attempts, where these walls stand."""
    spill = stand & {Wall.MOUNT, Wall.LANDLOCK}
    return [case for group in GROUPS.values() for case in group] + list(SPILLING if spill else ())


def _each(names: str, wall: str, *ends: str) -> Iterable[Case]:
    return (Case(name.strip(), wall, frozenset(ends)) for name in names.split(";"))


def _late(names: str) -> Iterable[Case]:
    ends = frozenset({Failure.TIMED_OUT.value})
    return (Case(name.strip(), CLOCK, ends, seconds=SHORT_SECONDS) for name in names.split(";"))


def _spilling(names: str, *ends: str) -> Iterable[Case]:
    return (Case(name.strip(), PATHS, frozenset(ends), spill=True) for name in names.split(";"))


KILLED, FULL, FAILED = Failure.KILLED.value, Failure.OUT_OF_MEMORY.value, "program_failed"

GROUPS: dict[str, tuple[Case, ...]] = {
    "network": (
        *_each(
            "metadata service; tcp; tcp over ipv6; udp; raw; unix; netlink; vsock; socketpair;"
            "sendmsg; recvmsg; recvfrom; sendto; connect; bind",
            Wall.SECCOMP,
            "EPERM",
        ),
    ),
    "files": (
        *_each(
            "read passwd; read our code; read environment of 1; read own memory; read above;"
            "read a device; list root; list above; list own folder; write to tmp; write above;"
            "openat; stat; getdents64; chdir; symlink; mknod; rename; chmod",
            Wall.SECCOMP,
            "EPERM",
        ),
        *_each("environment", "zygote", "0 variables"),
        *_each("descriptors", "zygote", "device device device memory socket"),
        *_each("map input", "seal", "EPERM"),
        *_each("write input", Wall.RLIMITS, "EFBIG"),
    ),
    "processes": (
        *_each(
            "fork; vfork; clone; subprocess; kill all; tgkill; tkill; pidfd_open; unknown call;"
            "syslog; landlock_create_ruleset; seccomp; filter again; become dumpable; setuid;"
            "setgroups; capset",
            Wall.SECCOMP,
            "EPERM",
        ),
        *_each("clone3", Wall.SECCOMP, "ENOSYS"),
        *_each(
            "execve; execveat; ptrace; process_vm_readv; process_vm_writev; process_madvise;"
            "pidfd_getfd; pidfd_send_signal; kcmp; io_uring_setup; userfaultfd; bpf;"
            "perf_event_open; keyctl; add_key; request_key; init_module; kexec_load; reboot;"
            "personality; mount; umount2; unshare; setns; pivot_root; chroot; open_tree; fsopen;"
            "open_by_handle_at; x32",
            Wall.SECCOMP,
            KILLED,
        ),
    ),
    "memory": (
        *_each(
            "memfd_create; memfd_secret; shmget; msgget; semget; pipe2; eventfd2; inotify_init1;"
            "timerfd_create; timer_create; mq_open; mlock; io_setup; raise a limit;"
            "shared memory; memory that grows down; memory with code; memory made code",
            Wall.SECCOMP,
            "EPERM",
        ),
        *_each(
            "private memory; reserved memory; copies of an input; enlarged memory; page tables",
            Wall.RLIMITS,
            "ENOMEM",
        ),
        *_each("allocate; grow", Wall.RLIMITS, FULL),
        *_each("threads", Wall.RLIMITS, "refused"),
        *_each("recurse", Wall.RLIMITS, FULL, KILLED, FAILED),
    ),
    "time": tuple(_late("loop; loop deaf; loop in threads; sleep; deadlock; regular expression")),
    "output": (
        *_each("write much", OUTPUT, Failure.TOO_LARGE.value),
        *_each("lie; flood; exit 0; exit 77; segfault; abort; cut off", "protocol", KILLED),
        *_each("raise", "protocol", FAILED),
        *_each("resize the output", Wall.SECCOMP, "refused"),
        *_each("print", "zygote", "6 bytes to nowhere"),
    ),
}
SPILLING = (
    *_spilling(
        "read passwd; read our code; read environment of 1; read a device", "ENOENT", "EACCES"
    ),
    *_spilling("read own memory; read above", "ENOENT", "EACCES"),
    *_spilling("list root", "spill", "EACCES"),
    *_spilling("list above", "spill", "EACCES"),
    *_spilling("list own folder", ""),
    *_spilling("write to tmp", "ENOENT", "EACCES"),
    *_spilling("write above", "EROFS", "EACCES"),
    *_spilling("symlink; mknod; rename; chmod; chdir", "EPERM"),
    *_spilling("run own file", KILLED),
)
