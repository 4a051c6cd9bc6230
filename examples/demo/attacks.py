"""What the operator, a party and a changed machine may try, and what stops each."""

import csv
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from azure.storage.blob import BlobServiceClient
from rich.text import Text

from examples.demo.play import Play
from examples.demo.services import Services
from examples.demo.shell import Failed, Shell, Typed

_REFUSED = 3
_SOME = 32  # bytes of the first region, which every file has
_JOB = re.compile(r"job [0-9a-f]{12} (completed|failed|refused)")
_IDENTITY = re.compile(r"count\(DISTINCT ([\w.]+)\)")
_LARGE = re.compile(r"(?m)^HAVING .*\n")


def swap_data(shell: Shell, services: Services, play: Play) -> None:
    """As the operator, put other bytes into what one party has dropped; then the other drops anew.

    The operator leaves the signed end of the file as it is, and writes what it likes before it.
    """
    attack = "the operator swaps a dataset's rows"
    theirs, ours, *_ = play.data.values()
    account = services.env("functions")
    client = BlobServiceClient.from_connection_string(
        account["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"],
        connection_verify=account["SSL_CERT_FILE"],
    )
    began = time.monotonic()
    with client, client.get_container_client(f"datasets-{theirs.owner}") as container:
        (blob,) = container.list_blob_names(name_starts_with=f"{play.room}/{theirs.dataset}/")
        data = container.download_blob(blob).readall()
        container.upload_blob(blob, data[:_SOME][::-1] + data[_SOME:], overwrite=True)
        shell.did(
            f"operator: wrote over rows of {theirs.owner}'s {theirs.dataset} in storage",
            time.monotonic() - began,
        )
        shell.run(ours.owner, *play.dropping(ours))
        ended = _ended(shell, play, jobs=2)
        container.upload_blob(blob, data, overwrite=True)
    if not ended.endswith("failed: tampered"):
        raise Failed(f"{attack}: expected tampered data, got {ended!r}")
    shell.refused(attack, "the runner: it is not what its owner sealed")


def ask_for_keys(shell: Shell, services: Services, play: Play, contract: str) -> None:
    """Ask a vault as a genuine machine with another program, and as a changed one with this."""
    party = play.parties[0]
    places = services.env(party)
    url = f"{places['CLEANROOM_PARTY_VAULT']}/keys/room-{play.room}"
    asked = (str(services.home), "{}", url, places["CLEANROOM_PARTY_AUTHORITY"])
    other = "sha256:" + contract.removeprefix("sha256:")[::-1]
    attacks = {
        "a program nobody approved asks for keys": (other, ()),
        "a modified runner asks for keys": (contract, ("--modified",)),
    }
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda one: shell.ran(_asking(asked, *one)), attacks.values())
    for attack, ran in zip(attacks, done, strict=True):
        if ran.code != _REFUSED:
            raise Failed(f"{attack}: expected a refusal (3), got exit code {ran.code}\n{ran.err}")
        shell.did(f"operator: asked {party}'s vault for its room key", ran.seconds)
        shell.refused(attack, f"the vault: {ran.out.strip().rpartition(': ')[2]}")


def _asking(asked: Sequence[str], digest: str, more: Sequence[str]) -> Typed:
    words = [word.format(digest) for word in asked]
    return Typed("runner", ("python", "-m", "examples.demo.asking", *words, *more))


def single_out(shell: Shell, play: Play, contract: str) -> None:
    """Have all parties approve a program about one of their customers."""
    attack = "a query for one person"
    folder = shell.folder
    program = (folder / "program.sql").read_text("utf-8")
    identity = _IDENTITY.search(program)
    if identity is None:
        raise Failed(f"{attack}: the program counts nobody to begin with")
    person = _somebody(identity[1].rpartition(".")[2], play)
    only = f"{'AND' if 'WHERE' in program else 'WHERE'} {identity[1]} = '{person}'\nGROUP BY"
    curious = _LARGE.sub("", program).replace("GROUP BY", only)
    (folder / "one.sql").write_text(curious, "utf-8")
    agreed = (folder / "contract.yaml").read_text("utf-8").replace("program.sql", "one.sql")
    (folder / "one.yaml").write_text(f"sequence: 2\nprevious: {contract}\n{agreed}", "utf-8")
    approve = ("cleanroom", "approve", "one.yaml", "--yes")
    shell.together(*(Typed(party, approve) for party in play.parties))
    ended = _ended(shell, play, jobs=3)
    opening = ("cleanroom", "open", play.room, "-o", "one.csv", "--papers", "one-papers")
    shell.run(play.reader, *opening)
    rows = (folder / "one.csv").read_text("utf-8").splitlines()[1:]
    if "completed" not in ended or rows:
        raise Failed(f"{attack}: expected a table without rows, got {len(rows)} rows, {ended!r}")
    shell.refused(attack, "the gate: it withholds a row that too few stand behind")


def _somebody(column: str, play: Play) -> str:
    """Find somebody who stands in as many tables as anybody does."""
    known: Counter[str] = Counter()
    for one in play.data.values():
        with one.table.open(encoding="utf-8") as file:
            known.update({row[column] for row in csv.DictReader(file) if column in row})
    return known.most_common(1)[0][0]


def _ended(shell: Shell, play: Play, jobs: int) -> str:
    """Wait until so many jobs have ended, and say how the last one did."""
    who = play.parties[0]
    if play.asking():
        shell.run(who, *play.asking())
    words = ("cleanroom", "watch", play.room, "--until", str(jobs), "--patience", "60 seconds")
    ran = shell.ran(Typed(who, words))
    last = [line for line in ran.out.splitlines() if _JOB.search(line)]
    if not last:
        raise Failed(f"no job has ended\n{ran.err.strip()}")
    shell.did(Text(last[-1], style="dim"), ran.seconds)
    return last[-1]
