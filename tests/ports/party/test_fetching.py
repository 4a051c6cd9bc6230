"""`open ROOM` against answers that lie: the papers are not what they are said to be."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.keyvault.keys import JsonWebKey

from cleanroom.approval import Approval
from cleanroom.errors import CleanroomError, PolicyRefused, Tampered
from cleanroom.fields import instant_text
from cleanroom.ids import Digest
from devstack.home import HOST, Home
from party import fetching
from party.cloud.api import Api
from party.cloud.vault import Vault
from party.fetching import Wish
from party.online import Online
from party.profiles import Profile
from tests.builders import NOW, Keys
from tests.papers import JOB, Job, word
from tests.ports.scripted import Reply, scripted
from tests.vaults import Vaults, keep_signing_key, rsa_numbers, running_vaults

AT = instant_text(NOW)
MISSING = Reply(404, b"", (("x-ms-error-code", "BlobNotFound"),))
LATER = NOW + timedelta(hours=1)


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory, north: Keys) -> Iterator[Vaults]:
    """Have a vault with the keys of the party's papers."""
    with running_vaults(Home.at(tmp_path_factory.mktemp("home")), "north") as made:
        with pytest.MonkeyPatch.context() as patch, made.keys("north", "north") as client:
            patch.setenv("REQUESTS_CA_BUNDLE", str(made.home.authority_file))
            patch.setenv("NO_PROXY", HOST)
            keep_signing_key(client, "signing", north.private_signing)
            reader = rsa_numbers(north.private_reader)
            client.import_key("reader", JsonWebKey(kty="RSA", **reader))
        yield made


@pytest.fixture(scope="module")
def job(north: Keys, south: Keys) -> Job:
    return Job.done(north, south, Keys.make())


class Signed:
    """An identity that storage knows."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("storage", int(NOW.timestamp()) + 10**9)


@dataclass(frozen=True)
class Operator:
    """Hands out the papers of a job, changed as a test says."""

    job: Job
    words: Sequence[bytes | None]
    told: dict[str, Any] = field(default_factory=dict)

    def replies(self, url: str) -> list[Reply]:
        line = {"job": JOB.text, "due": AT, "status": "completed", "finished": AT}
        outcome = {"status": "completed", "reason": None, "finished": AT}
        told = {
            "job": JOB.text,
            "contract": self.job.contract.digest.text,
            "trigger": {"kind": "arrival"},
            "timeline": [],
            "outcome": {**outcome, "results": [{"name": "result"}]},
        }
        return [
            said({"jobs": [line], "next": None}),
            said(told | self.told),
            Reply(200, self.job.contract.to_bytes()),
            Reply(200, self.job.receipt.sign(self.job.runner.signer)),
            *(MISSING if each is None else blob(each) for each in self.words),
            said({"url": f"{url}/account/results/result?sig=secret"}),
            blob(self.job.result),
        ]


def said(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())


def blob(data: bytes) -> Reply:
    headers = (
        ("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}"),
        ("ETag", '"1"'),
        ("x-ms-blob-type", "BlockBlob"),
    )
    return Reply(206, data, headers)


@dataclass(frozen=True)
class Reader:
    """The party that opens."""

    vaults: Vaults
    ca: trustme.CA
    folder: Path

    def open(self, operator: Operator, **wish: Any) -> Path:
        with scripted(ca=self.ca) as server:
            server.replies = operator.replies(server.url)
            rooms, root = f"{server.url}/account/rooms", str(self.folder / "synthetic.pem")
            online = Online(Profile("north", rooms=rooms, synthetic_root=root))
            vars(online)["api"] = Api(server.url, lambda: "secret")
            vars(online)["credential"] = Signed()
            vars(online)["vault"] = Vault(
                self.vaults.url("north"), self.vaults.credential("north", "north")
            )
            named = Wish(
                "room",
                JOB.hex,
                self.folder / "out",
                self.folder / "papers",
                None,
                None,
                force=False,
            )
            return fetching.open_result(online, replace(named, **wish), lambda: LATER).output


@pytest.fixture
def reader(
    vaults: Vaults,
    ca: trustme.CA,
    job: Job,
    north: Keys,
    south: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    both = ca.cert_pem.bytes() + vaults.home.authority_file.read_bytes()
    (tmp_path / "both.pem").write_bytes(both)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "both.pem"))
    monkeypatch.setenv("NO_PROXY", HOST)
    (tmp_path / "kept").mkdir()
    job.write(tmp_path / "kept", north, south)
    (tmp_path / "kept" / "synthetic.pem").rename(tmp_path / "synthetic.pem")
    return Reader(vaults, ca, tmp_path)


@pytest.fixture
def words(job: Job, north: Keys, south: Keys) -> list[bytes]:
    return [
        each.sign(keys.signer) for each, keys in zip(job.approvals, (north, south), strict=True)
    ]


def renewed(job: Job, keys: Keys, decision: str) -> bytes:
    said: Approval = word("north", job.contract, issued=LATER, decision=decision)
    return said.sign(keys.signer)


def test_a_result_is_opened(reader: Reader, job: Job, words: list[bytes]) -> None:
    found = reader.open(Operator(job, words))

    assert found.read_bytes() == b"total\n42\n"


def test_another_partys_word_in_the_place_of_ours_is_none_of_ours(
    reader: Reader, job: Job, words: list[bytes]
) -> None:
    with pytest.raises(Tampered, match="is the word of 'south', not of 'north'"):
        reader.open(Operator(job, [words[1], None]))

    assert not (reader.folder / "out").exists()


def test_whoever_approved_again_opens_what_was_computed_before(
    reader: Reader, job: Job, north: Keys, words: list[bytes]
) -> None:
    found = reader.open(Operator(job, [renewed(job, north, "approve"), words[1]]))

    assert found.read_bytes() == b"total\n42\n"
    assert not (reader.folder / "papers" / "north.approval.json").exists()


def test_whoever_revoked_since_needs_the_word_or_the_contract_that_it_kept(
    reader: Reader, job: Job, north: Keys, words: list[bytes]
) -> None:
    since = Operator(job, [renewed(job, north, "revoke"), words[1]])

    with pytest.raises(PolicyRefused, match="your own approval is not among the papers"):
        reader.open(since)
    (reader.folder / "papers" / "north.approval.json").write_bytes(words[0])
    by_word = reader.open(since)
    by_contract = reader.open(
        since,
        agreed=reader.folder / "kept" / "contract.json",
        papers=reader.folder / "others",
        output=reader.folder / "other",
    )

    assert by_word.read_bytes() == by_contract.read_bytes() == b"total\n42\n"


def test_another_contract_than_the_one_kept_is_refused_before_it_takes_its_place(
    reader: Reader, job: Job, words: list[bytes]
) -> None:
    kept = reader.folder / "papers" / "contract.json"
    kept.parent.mkdir()
    kept.write_bytes(job.contract.to_bytes().replace(b"Find fraud", b"Find FRAUD"))

    with pytest.raises(PolicyRefused, match=r"contract\.json is another contract"):
        reader.open(Operator(job, words), agreed=kept)

    assert b"FRAUD" in kept.read_bytes()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        pytest.param({"job": Digest.of(b"other").text}, "told of the job", id="job"),
        pytest.param(
            {
                "outcome": {
                    "status": "completed",
                    "reason": None,
                    "finished": AT,
                    "results": [{"name": "customers"}],
                }
            },
            "has another result than its contract",
            id="result",
        ),
    ],
)
def test_what_was_not_asked_for_is_refused(
    told: dict[str, Any], message: str, reader: Reader, job: Job, words: list[bytes]
) -> None:
    with pytest.raises(Tampered, match=message):
        reader.open(Operator(job, words, told))


def test_a_contract_of_another_room_is_refused(
    reader: Reader, job: Job, words: list[bytes]
) -> None:
    with pytest.raises(Tampered, match="sent a contract of the room 'room' for 'other'"):
        reader.open(Operator(job, words), room="other")


def test_an_output_that_exists_is_refused_before_anything_is_fetched(
    reader: Reader, job: Job, words: list[bytes]
) -> None:
    (reader.folder / "out").write_text("mine")

    with pytest.raises(CleanroomError, match="it exists already"):
        reader.open(Operator(job, words))

    assert not (reader.folder / "papers").exists()
    assert reader.open(Operator(job, words), force=True).read_bytes() == b"total\n42\n"


def test_an_output_among_the_papers_is_refused(
    reader: Reader, job: Job, words: list[bytes]
) -> None:
    with pytest.raises(CleanroomError, match=r"is contract\.json of the papers"):
        reader.open(
            Operator(job, words), output=reader.folder / "papers" / "contract.json", force=True
        )
