"""Machines as files describe them: cloud-init, units, the hooks, the recipe of the image."""

import base64
import configparser
import hashlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from runner.settings import PREFIX, Settings
from tests.infra.bicep import Expression, text
from tests.infra.manifests import documents, one, problems
from tests.infra.rules import get
from tests.infra.shapes import SCHEMAS
from tests.infra.tree import INFRA, ROOT, tree
from tests.test_docs import unknown
from tools.image.oci import COMMAND, USER

IMAGE = INFRA / "image"
UNITS = [
    INFRA / "runner" / "cleanroom-runner.service",
    *sorted((IMAGE / "mkosi.extra/usr/lib/systemd/system").glob("*.service")),
]
RUNNERS = [unit for unit in UNITS if unit.name == "cleanroom-runner.service"]
SAYS = {
    *("[", "case", "do", "done", "echo", "elif", "else", "esac", "exit", "fi", "if", "set"),
    *("then", "test"),
}
"""Words that a hook may begin a command with: it checks and prints."""


class Unit(configparser.RawConfigParser):
    """A unit of systemd, in which a setting may stand twice."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(path: Path) -> Unit:
    found = Unit(strict=False, comment_prefixes=("#",), interpolation=None)
    found.read_string(path.read_text())
    return found


# --- cloud-init


def cloud_config() -> Any:
    text = (INFRA / "runner" / "cloud-init.yaml").read_text()
    service = (INFRA / "runner" / "cleanroom-runner.service").read_bytes()
    filled = {
        "__SETTINGS__": base64.b64encode(b"A=b").decode(),
        "__UNIT__": base64.b64encode(service).decode(),
        "__URL__": "https://account.blob.core.windows.net/public/root.tar",
        "__DIGEST__": "ab" * 32,
    }
    for name, content in filled.items():
        assert text.count(name) == 1
        text = text.replace(name, content)
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def test_cloud_init_takes_the_stock_images_configuration() -> None:
    schema = json.loads((SCHEMAS / "cloud-init.json").read_text())

    errors = jsonschema_rs.Draft202012Validator(schema).iter_errors(cloud_config())

    assert [error.message for error in errors] == []


def test_what_cloud_init_would_not_take_is_found() -> None:
    schema = json.loads((SCHEMAS / "cloud-init.json").read_text())
    config = cloud_config() | {"run_cmd": []}
    config["write_files"][0]["permission"] = "0600"

    errors = jsonschema_rs.Draft202012Validator(schema).iter_errors(config)

    assert len(list(errors)) == 2


def test_the_template_fills_all_that_is_left_open() -> None:
    open_ones = set(re.findall(r"__[A-Z]+__", (INFRA / "runner" / "cloud-init.yaml").read_text()))

    for name in ("runner-vm", "runner-vmss"):
        template = tree().templates[f"modules/{name}.bicep"]
        source = (template.variables["cloudInit"].text or b"").decode()
        assert {each for each in open_ones if f"'{each}'" not in source} == set()


def test_settings_are_not_for_every_user() -> None:
    modes = {each["path"]: each["permissions"] for each in cloud_config()["write_files"]}

    assert modes["/etc/cleanroom/runner.env"] == "0600"


def test_a_stock_image_starts_nothing_but_the_root_that_was_named() -> None:
    *_, fetch, start = cloud_config()["runcmd"]

    assert fetch[:3] == ["curl", "--fail", "--silent"]
    steps = start[-1].split(" && ")
    assert "sha256sum --check" in steps[0]
    assert steps[-1] == "systemctl enable --now cleanroom-runner.service"


def test_nobody_has_the_key_of_a_machine_without_users() -> None:
    """The key is a point made of a hash: whose private half that is, nobody knows."""
    made = hashlib.sha256(b"cleanroom: nobody has this key 1").digest()
    blob = len(b"ssh-ed25519").to_bytes(4) + b"ssh-ed25519" + len(made).to_bytes(4) + made
    key = f"ssh-ed25519 {base64.b64encode(blob).decode()} nobody"

    for name in ("runner-vm", "runner-vmss"):
        template = tree().templates[f"modules/{name}.bicep"]
        assert template.value(template.variables["keyless"]) == key


# --- units


@pytest.mark.parametrize("path", RUNNERS, ids=lambda path: path.parts[-5])
def test_a_runner_has_no_more_than_it_needs(path: Path) -> None:
    service = unit(path)["Service"]

    wanted = {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "DevicePolicy": "closed",
        "DeviceAllow": "/dev/tpmrm0 rw",
        "LimitCORE": "0",
        "MemorySwapMax": "0",
        "DynamicUser": "yes",
        "RootDirectory": "/opt/cleanroom/root",
        "ExecStart": " ".join(COMMAND),
    }
    assert {name: service.get(name) for name in wanted} == wanted
    assert not {"RestrictNamespaces", "SystemCallFilter", "PrivateUsers"} & set(service)


@pytest.mark.parametrize("path", RUNNERS, ids=lambda path: path.parts[-5])
def test_a_runner_that_is_to_stop_has_time_for_it(path: Path) -> None:
    values = {"STORAGE_URL": "https://a.blob.core.windows.net", "SERVICEBUS": "a.b"}
    given = {f"{PREFIX}{name}": value for name, value in values.items()}
    settings = Settings.parse({**given, f"{PREFIX}PLATFORM": "azure-cvm"})

    assert int(unit(path)["Service"]["TimeoutStopSec"]) > settings.drain_seconds


@pytest.mark.parametrize("path", UNITS, ids=lambda path: "/".join(path.parts[-2:]))
def test_systemd_would_take_the_unit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    # What is started is not on this machine.
    copy.write_text(re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/bin/true", path.read_text()))
    needed = tmp_path / "cleanroom-settings.service"
    if not needed.exists():
        needed.write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    try:
        found = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(copy)],  # noqa: S607  # if there is one
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not here")

    said = [line for line in found.stderr.splitlines() if path.name in line]
    assert said == []


# --- the image


def test_the_image_is_built_of_what_was_locked() -> None:
    pinned = set(
        re.findall(r"(?m)^([a-z0-9._-]+==\S+)", _requirements("infra/image/requirements.txt"))
    )
    everything = set(re.findall(r"(?m)^([a-z0-9._-]+==\S+)", _requirements("requirements-dev.txt")))

    assert pinned
    assert pinned <= everything


def test_every_package_of_the_image_has_a_hash() -> None:
    text = _requirements("infra/image/requirements.txt")
    entries = re.split(r"\n(?=[a-z0-9])", text)

    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def _requirements(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_image_holds_no_development_stack() -> None:
    script = (IMAGE / "application.sh").read_text()
    (packages,) = re.findall(r"for package in ([a-z ]+); do", script)

    assert packages.split() == ["cleanroom", "runner"]


def test_the_image_has_no_shell_and_no_package_manager() -> None:
    packages = [
        line for line in (IMAGE / "packages.txt").read_text().splitlines() if line[:1] != "#"
    ]

    assert packages == sorted(packages)
    assert not {"bash", "dash", "busybox", "apt", "dpkg", "coreutils", "python3-pip"} & set(
        packages
    )


def test_the_machines_root_is_verified_and_measured() -> None:
    found = unit(IMAGE / "mkosi.conf")
    root, hashes = (
        unit(IMAGE / "mkosi.repart" / name)["Partition"]
        for name in ("10-root.conf", "20-root-verity.conf")
    )

    assert (root["Verity"], root["Format"], hashes["Verity"]) == ("data", "erofs", "hash")
    assert root["VerityMatchKey"] == hashes["VerityMatchKey"]
    assert found["Content"]["Bootloader"] == "uki"
    assert {"lockdown=confidentiality", "systemd.import_credentials=no", "ro"} <= set(
        found["Content"]["KernelCommandLine"].split()
    )
    assert found["Output"]["Seed"]


def test_all_is_of_one_day_and_one_time() -> None:
    build, machine = ((IMAGE / name).read_text() for name in ("build.sh", "mkosi.conf"))

    days = set(re.findall(r"\b20\d{6}T\d{6}Z\b", build + machine))
    times = set(re.findall(r"(?:SOURCE_DATE_EPOCH|SourceDateEpoch)=(\d+)", build + machine))
    times |= set(re.findall(r"SOURCE_DATE_EPOCH=(\d+)", (IMAGE / "application.sh").read_text()))
    assert (len(days), len(times)) == (1, 1)


def test_what_would_add_to_register_11_is_masked() -> None:
    script = (IMAGE / "mkosi.finalize").read_text()

    for phase in ("", "-initrd", "-sysinit"):
        assert f"systemd-pcrphase{phase}.service" in script


@pytest.mark.parametrize(
    "path",
    [*sorted(IMAGE.glob("*.sh")), IMAGE / "mkosi.finalize", *sorted((INFRA / "hooks").iterdir())],
    ids=lambda path: path.name,
)
def test_scripts_are_scripts(path: Path) -> None:
    found = subprocess.run(["/bin/sh", "-n", str(path)], capture_output=True, check=False)

    assert (found.returncode, found.stderr) == (0, b"")
    assert path.stat().st_mode & 0o111
    assert re.search(r"(?m)^set -eu$", path.read_text())


# --- hooks


def _commands(script: str) -> Iterator[str]:
    for line in script.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or stripped.endswith((")", ") ;;")):
            continue
        yield next(iter(shlex.split(stripped, comments=True)), "")


@pytest.mark.parametrize("path", sorted((INFRA / "hooks").iterdir()), ids=lambda path: path.name)
def test_hooks_only_check_and_print(path: Path) -> None:
    script = path.read_text()
    begun = {word for word in _commands(script) if not re.fullmatch(r"\w+=.*", word)}

    assert begun <= SAYS | {";;"}, begun - SAYS
    assert not re.findall(r"\$\(|`|>(?!&2)", script)


def test_hooks_name_commands_that_exist() -> None:
    said = "\n".join(path.read_text() for path in (INFRA / "hooks").iterdir())
    named = re.findall(r"^echo \"  (cleanroom [^\"]+)\"$", said, re.MULTILINE)

    assert named
    assert [unknown(shlex.split(each)[1:]) for each in named] == [[] for _ in named]


def test_azd_runs_hooks_that_are_there() -> None:
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]

    assert {ROOT / each["posix"]["run"] for each in hooks.values()} == set(
        (INFRA / "hooks").iterdir()
    )


def test_a_hook_says_what_is_missing() -> None:
    hook = str(INFRA / "hooks" / "preprovision.sh")

    missing = subprocess.run([hook], env={}, capture_output=True, text=True, check=False)
    there = subprocess.run(
        [hook], env={"CLEANROOM_API_CLIENT_ID": "x"}, capture_output=True, text=True, check=False
    )

    assert (missing.returncode, there.returncode) == (1, 0)
    assert "CLEANROOM_API_CLIENT_ID is not set" in missing.stderr


# --- the cluster


def test_kubernetes_takes_every_manifest() -> None:
    assert [wrong for each in documents() for wrong in problems(each)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec.replicas", "1"),
        ("Deployment", "spec.template.spec.volume", []),
        ("NetworkPolicy", "spec.policyType", ["Egress"]),
        ("ScaledObject", "spec.maxReplicaCount", "4"),
        ("TriggerAuthentication", "spec.podIdentity.provider", "azure"),
    ],
)
def test_a_mistake_in_a_manifest_is_found(kind: str, path: str, value: object) -> None:
    document = one(kind)
    *above, last = path.split(".")
    place: Any = document
    for name in above:
        place = place[name]
    place[last] = value

    assert problems(document)


def test_an_unknown_kind_is_found() -> None:
    assert problems({"apiVersion": "v1", "kind": "Pods"}) == [
        "v1 Pods is no kind that we can check"
    ]


def test_the_cluster_and_the_manifests_speak_of_the_same_account() -> None:
    account = one("ServiceAccount")["metadata"]
    subject = f"system:serviceaccount:{account['namespace']}:{account['name']}"

    found = tree().templates["modules/aks.bicep"].resources["federation"].properties

    assert found["subject"] == subject
    assert one("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account["name"]


def test_the_pod_goes_where_the_confidential_nodes_are() -> None:
    spec = one("Deployment")["spec"]["template"]["spec"]
    pool = tree().templates["modules/aks.bicep"].resources["confidential"].properties
    (taint,) = spec["tolerations"]

    assert spec["nodeSelector"] == pool["nodeLabels"]
    assert pool["nodeTaints"] == [f"{taint['key']}={taint['value']}:{taint['effect']}"]


def test_the_runner_in_the_cluster_starts_with_its_settings() -> None:
    data = {
        name: value.replace("ACCOUNT", "account").replace("NAMESPACE", "namespace")
        for name, value in one("ConfigMap")["data"].items()
    }
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]

    assert Settings.parse(data).platform == "azure-cvm"
    assert container["command"] == list(COMMAND)
    assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])


def test_the_scaler_counts_the_jobs() -> None:
    (trigger,) = one("ScaledObject")["spec"]["triggers"]
    queue = tree().templates["modules/servicebus.bicep"].resources["jobs"].body["name"]

    assert trigger["metadata"]["queueName"] == queue


# --- the container group


def test_the_container_group_starts_with_its_settings() -> None:
    template = tree().templates["modules/runner-aci.bicep"]
    (container,) = _list(template.resources["containers"].properties["containers"])
    values = {
        "AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111",
        f"{PREFIX}STORAGE_URL": "https://account.blob.core.windows.net",
        f"{PREFIX}SERVICEBUS": "namespace.servicebus.windows.net",
        f"{PREFIX}DIRECTORY": "22222222-2222-2222-2222-222222222222",
        f"{PREFIX}DIRECTORIES": "33333333-3333-3333-3333-333333333333",
        f"{PREFIX}APPLICATION": "44444444-4444-4444-4444-444444444444",
    }
    told = get(container, "properties.environmentVariables")
    assert isinstance(told, Expression)
    assert told.text == "concat(always, elsewhere)"
    given = [
        pair
        for name in ("always", "elsewhere")
        for pair in re.findall(r"name: '(\w+)'\s+value: (\S+)", text(template.variables[name]))
    ]
    environment = {name: values.get(name, value.strip("'")) for name, value in given}

    started = Settings.parse(environment | {"UVM_SECURITY_CONTEXT_DIR": "/security"})

    assert started.platform == "aci"
    assert (started.directories.own, len(started.directories.others)) == (
        values[f"{PREFIX}DIRECTORY"],
        1,
    )
    assert get(container, "properties.command") == list(COMMAND)
    assert f"{get(container, 'properties.securityContext.runAsUser')}" == USER.partition(":")[0]


def _list(value: Any) -> list[Any]:
    assert isinstance(value, list)
    return value
