"""Runs Microsoft's tests of azure-servicebus against our bus: `make conformance`.

    python -m tests.conformance.servicebus.run [quick|all]

1. The SDK's source is fetched with pip, at the version that is installed, into .conformance/;
   nothing of it is kept in this repository.
2. A bus is started on free ports, with its data in a new folder.
3. Their tests run in parallel (they mostly sleep): quick is the sync ones that take less than a
   minute each, all is all that need no Azure.
4. With all, the campaigns of tests/acceptance run in their long form.
5. A summary is printed; exit 1 if a test failed that was not expected to, or the reverse.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from tests.acceptance.campaigns import GROWTH, connections, crashes
from tests.buses import Bus, running_bus
from tests.conformance.servicebus import expected
from tests.conformance.servicebus.plugin import SETTINGS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".conformance"
RULES = Path(__file__).with_name("pytest.ini")
STANDARD = ("--largest-message", "262144")  # their namespace has the standard tier
SDK = "azure-servicebus"
WORKERS, FEW = 24, 2
QUICK = (
    "test_list_sessions.py",
    "test_message.py",
    "test_queues.py",
    "test_sb_client.py",
    "test_sessions.py",
    "test_subscriptions.py",
    "test_topic.py",
)
ASYNC = (
    "async_tests/test_list_sessions_async.py",
    "async_tests/test_queues_async.py",
    "async_tests/test_sb_client_async.py",
    "async_tests/test_sessions_async.py",
    "async_tests/test_subscriptions_async.py",
    "async_tests/test_topic_async.py",
)


def main(arguments: list[str]) -> int:
    """Run one of the two sets, and say how it went."""
    whole = arguments[:1] == ["all"]
    tests = fetched()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_bus(Path(folder), more=STANDARD) as bus,
    ):
        report = Path(folder) / "report.xml"
        code = run(bus, tests, report, whole=whole, more=arguments[1:])
        counted = summary(report)
    broken = endured() if whole else []
    sys.stdout.write("\n".join([counted, *broken]) + "\n")
    return 1 if broken else code


def endured() -> list[str]:
    """Kill a bus four times under load, let 10,000 clients come and go; return what went wrong."""
    broken = []
    with tempfile.TemporaryDirectory() as folder, running_bus(Path(folder)) as bus:
        ledger = crashes(bus, kills=4, messages=2000)
    sys.stdout.write(f"four kills: {len(ledger.sent)} messages acknowledged\n")
    if ledger.lost or ledger.doubled:
        broken.append(f"{len(ledger.lost)} were lost, {len(ledger.doubled)} came twice")
    with tempfile.TemporaryDirectory() as folder, running_bus(Path(folder)) as bus:
        grown = connections(bus, 10_000)
    sys.stdout.write(f"10,000 connections: {grown:.1f} MiB more than before\n")
    if grown > GROWTH:
        broken.append(f"the bus kept {grown:.1f} MiB")
    return broken


def fetched() -> Path:
    """Fetch the SDK's source unless it is there, and return the folder of its tests."""
    release = version(SDK)
    name = f"{SDK.replace('-', '_')}-{release}"
    FOLDER.mkdir(exist_ok=True)
    if not (FOLDER / name).exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", SDK, "--dest", str(FOLDER), f"{SDK}=={release}"]
        subprocess.run(command, check=True)
        with (
            tarfile.open(FOLDER / f"{name}.tar.gz") as archive,
            tempfile.TemporaryDirectory(dir=FOLDER) as new,
        ):
            archive.extractall(new, filter="data")
            (Path(new) / name).rename(FOLDER / name)
    return FOLDER / name / "tests"


def run(bus: Bus, tests: Path, report: Path, *, whole: bool, more: list[str]) -> int:
    """Run a set of their tests, each in one of many processes."""
    settings = {
        "authority": str(bus.home.authority_file),
        "control": bus.control.port,
        "home": str(bus.home.path),
        "tls": bus.tls_port,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(RULES), "-W", "ignore"]
    command += ["-p", "tests.conformance.servicebus.plugin", "--rootdir", str(tests)]
    command += [
        "-n",
        str(FEW if any("::" in one for one in more) else WORKERS),
        f"--junitxml={report}",
    ]
    command += ["--maxschedchunk=1", "--tb=short", "--show-capture=no", "--durations=25"]
    if not whole and not more:
        command += ["-k", " and ".join(f"not {name}" for name in expected.SLOW)]
    command += more or [str(tests / name) for name in (QUICK + ASYNC if whole else QUICK)]
    environment = os.environ | {
        SETTINGS: json.dumps(settings),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, tests, tests / "async_tests"))),
    }
    return subprocess.run(command, check=False, env=environment, cwd=tests).returncode


def summary(report: Path) -> str:
    """Count how the tests ended."""
    counts: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it
        counts[_ending(case)] += 1
    return "conformance: " + ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


def _ending(case: ET.Element) -> str:
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if skipped is None:
        return "passed"
    return "failed as expected" if skipped.get("type") == "pytest.xfail" else "skipped by Microsoft"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
