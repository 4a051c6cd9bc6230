"""`cleanroom party`: what a party's own deployment needs of the product."""

from pathlib import Path
from typing import Annotated

import typer

from party import console

app = typer.Typer(name="party", no_args_is_help=True, help="Deploy what is a party's own (Azure).")


@app.callback()
def _group() -> None:
    """Keep the name of the only command."""


@app.command("bicep-params")
def bicep_params(
    party: Annotated[str, typer.Argument(help="The party's name, such as north-bank.")],
    vault_name: Annotated[str, typer.Option(help="What the vault shall be called.")],
    runner: Annotated[str, typer.Option(help="Object id of the runner's identity.")],
    functions: Annotated[str, typer.Option(help="Object id of the control plane's identity.")],
    administrator: Annotated[str, typer.Option(help="Object id of who administers the keys.")],
    administrator_type: Annotated[
        str, typer.Option(help="User, Group or ServicePrincipal.")
    ] = "User",
    room: Annotated[
        list[str] | None, typer.Option(help="A room; its key is released to nobody yet.")
    ] = None,
    contract: Annotated[
        list[Path] | None,
        typer.Option(help="A contract; its room's key is released to its runners, for it only."),
    ] = None,
    authority: Annotated[
        str | None, typer.Option(help="The attestation service that the vault shall trust (URL).")
    ] = None,
    runner_subnet: Annotated[
        list[str] | None, typer.Option(help="A subnet of the runner, by its resource id.")
    ] = None,
    functions_subnet: Annotated[
        list[str] | None, typer.Option(help="A subnet of the control plane, by its resource id.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option(help="A public address or range of your own.")
    ] = None,
    firmware: Annotated[
        bool,
        typer.Option(
            "--firmware/--no-firmware",
            help="Have the vault demand the firmware, too; not all vaults can compare numbers.",
        ),
    ] = True,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to put the parameters' file.")
    ] = Path("party.parameters.json"),
    force: console.Force = False,
    as_json: console.Json = False,
) -> None:
    """Write the parameters of infra/party/main.bicep, the release policies among them.

    So what is deployed is what was approved. Azure makes a key with its policy and never changes
    it afterwards: later contracts are for `cleanroom approve`.
    """
    from cleanroom import ids
    from cleanroom.urls import authority_url
    from party import contracts, deploying, files
    from party.errors import option

    name = option(ids.name, party, "PARTY")
    vault = option(deploying.vault_name, vault_name, "--vault-name")
    trusted = option(authority_url, authority, "--authority") if authority else None
    rooms = deploying.rooms(
        *(room or [], [contracts.load(path) for path in contract or []], name, vault, trusted),
        svns=firmware,
    )
    made = deploying.Deployment(
        name,
        vault,
        rooms,
        option(deploying.object_id, runner, "--runner"),
        option(deploying.object_id, functions, "--functions"),
        option(deploying.object_id, administrator, "--administrator"),
        option(deploying.administrator_type, administrator_type, "--administrator-type"),
        tuple(option(deploying.subnet_id, x, "--runner-subnet") for x in runner_subnet or []),
        tuple(option(deploying.subnet_id, x, "--functions-subnet") for x in functions_subnet or []),
        tuple(option(deploying.address_range, each, "--address") for each in address or []),
    )
    files.write_document(output, made.to_bytes(), force=force)
    console.result(
        f"{output}: parameters of infra/party/main.bicep",
        [(f"room {each.name}", each.said) for each in made.rooms],
        {"output": str(output), "parameters": made.parameters()} if as_json else None,
    )
