"""Which system calls a cell may make: what no list names is refused with EPERM.

- `locked` holds from before the task comes; it still allows the task to be received.
- `closing` comes on top once it has: nothing more is received, and no filter is added.
- A cell has no sockets to make, no processes to start and no files to open. One with a spill may
  open, make and remove plain files; mount namespace or Landlock say where.
- What can only be an attack kills the process at once; so does a call of another architecture.

The programs are made once, in the zygote, and loaded in each cell without libseccomp.
"""

import errno
import os
from dataclasses import dataclass

import pyseccomp  # type: ignore[import-untyped]  # one file, with annotations but no marker

_BASE = """
read write readv writev pread64 pwrite64 lseek close fstat munmap
madvise mremap brk futex futex_waitv set_robust_list get_robust_list rseq set_tid_address gettid
getpid getppid getuid geteuid getgid getegid sched_yield sched_getaffinity getcpu rt_sigaction
rt_sigprocmask rt_sigreturn sigaltstack restart_syscall exit exit_group nanosleep clock_nanosleep
clock_gettime clock_getres gettimeofday time getrandom poll ppoll select pselect6 uname sysinfo
getrusage times membarrier
"""
_RECEIVING = ("recvfrom", "recvmsg")
_SPILL = """
stat lstat statx newfstatat openat open access faccessat faccessat2 readlink readlinkat getcwd
getdents64 statfs fstatfs fadvise64 dup unlink unlinkat ftruncate fallocate fsync fdatasync
"""
_KILLED = """
ptrace process_vm_readv process_vm_writev kcmp bpf perf_event_open io_uring_setup io_uring_enter
io_uring_register userfaultfd keyctl add_key request_key mount umount2 pivot_root chroot move_mount
fsopen fsconfig fsmount open_tree mount_setattr setns unshare execve execveat init_module
finit_module delete_module kexec_load kexec_file_load open_by_handle_at name_to_handle_at swapon
swapoff reboot iopl ioperm quotactl acct personality modify_ldt pidfd_getfd pidfd_send_signal
process_madvise
"""

_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020000  # every flag that makes a namespace
_PROT_EXEC = 4
_SHARED_FILE, _PRIVATE_FILE, _PRIVATE_OWN = 0x01, 0x02, 0x22
# MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS; and what may never be: RLIMIT_DATA does not count memory
# that grows downwards (MAP_GROWSDOWN), nor do ordinary limits count huge pages (MAP_HUGETLB).
_KIND_OF_MAPPING = 0x23 | 0x100 | 0x40000
_NAMES = (15, 16, 0x53564D41)  # of prctl: PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
_PR_SET_SECCOMP = 22
_FCNTL = (1, 2, 3, 4, 1030)  # F_GETFD to F_SETFL, F_DUPFD_CLOEXEC; no locks, no seals
_AT_EMPTY_PATH = 0x1000
_FIONBIO = 0x5421
_DENIED = pyseccomp.ERRNO(errno.EPERM)


@dataclass(frozen=True, slots=True)
class Filters:
    """Programs for the kernel: before the task, with a spill and without, and after it came."""

    locked: bytes
    locked_with_spill: bytes
    closing: bytes

    @classmethod
    def make(cls) -> "Filters":
        """Compile them."""
        return cls(_locked(spill=False), _locked(spill=True), _closing())


def _locked(*, spill: bool) -> bytes:
    rules = pyseccomp.SyscallFilter(_DENIED)
    for name in (*_BASE.split(), *_RECEIVING, *(_SPILL.split() if spill else ())):
        _try(rules, pyseccomp.ALLOW, name)
    for name in _KILLED.split():
        _try(rules, pyseccomp.KILL_PROCESS, name)
    _threads(rules)
    _memory(rules)
    _small(rules)
    return _exported(rules)


def _threads(rules: pyseccomp.SyscallFilter) -> None:
    """Allow threads and no processes; flags of clone3 are behind a pointer: glibc falls back."""
    mask = _CLONE_THREAD | _CLONE_NEW
    thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, mask, _CLONE_THREAD)
    rules.add_rule(pyseccomp.ALLOW, "clone", thread)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")


def _memory(rules: pyseccomp.SyscallFilter) -> None:
    """Allow memory that RLIMIT_DATA counts (no shared memory of its own), none executable."""
    plain = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0)
    rules.add_rule(pyseccomp.ALLOW, "mprotect", plain)
    for kind in (_SHARED_FILE, _PRIVATE_FILE, _PRIVATE_OWN):
        mapping = pyseccomp.Arg(3, pyseccomp.MASKED_EQ, _KIND_OF_MAPPING, kind)
        rules.add_rule(pyseccomp.ALLOW, "mmap", plain, mapping)


def _small(rules: pyseccomp.SyscallFilter) -> None:
    """Allow what is harmless in part: limits are read and not set, filters only added."""
    of_descriptor = pyseccomp.Arg(3, pyseccomp.MASKED_EQ, _AT_EMPTY_PATH, _AT_EMPTY_PATH)
    _try(rules, pyseccomp.ALLOW, "newfstatat", of_descriptor)  # how the C library makes an fstat
    rules.add_rule(pyseccomp.ALLOW, "prlimit64", pyseccomp.Arg(2, pyseccomp.EQ, 0))
    rules.add_rule(pyseccomp.ALLOW, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, _FIONBIO))
    for option in (*_NAMES, _PR_SET_SECCOMP):
        rules.add_rule(pyseccomp.ALLOW, "prctl", pyseccomp.Arg(0, pyseccomp.EQ, option))
    for command in _FCNTL:
        rules.add_rule(pyseccomp.ALLOW, "fcntl", pyseccomp.Arg(1, pyseccomp.EQ, command))


def _closing() -> bytes:
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _RECEIVING:
        rules.add_rule(_DENIED, name)
    filters = pyseccomp.Arg(0, pyseccomp.EQ, _PR_SET_SECCOMP)
    rules.add_rule(_DENIED, "prctl", filters)
    return _exported(rules)


def _try(rules: pyseccomp.SyscallFilter, action: int, name: str, *arguments: pyseccomp.Arg) -> None:
    """Add a rule for a call, if this architecture has it; if not, it is refused like any other."""
    try:
        rules.add_rule(action, name, *arguments)
    except OSError:
        return


def _exported(rules: pyseccomp.SyscallFilter) -> bytes:
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
