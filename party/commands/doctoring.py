"""`cleanroom doctor`: whether all is as it must be, and what to mend."""

from typing import Annotated

import typer

from party import console
from party.commands import options

app = typer.Typer(
    name="doctor", no_args_is_help=True, help="Look whether all is as it must be; say what to mend."
)


@app.command("party")
def party(
    room: Annotated[list[str] | None, typer.Argument(help="Rooms whose keys to look at.")] = None,
    profile: options.Profile = None,
    as_json: console.Json = False,
) -> None:
    """Ask every service that you need, as you: vault, attestation, control plane, storage.

    Nothing is changed. What you may not do is tried, too: a grant that is too wide is a finding.
    """
    from party import doctor, findings
    from party.online import Online

    online = Online.of(profile)
    found = list(doctor.examine(online, room or []))
    findings.report(online.profile.name, found, as_json=as_json)


@app.command("operator")
def operator(
    subscription: Annotated[str, typer.Option(help="The subscription's id.")],
    group: Annotated[str, typer.Option(help="The resource group (AZURE_RESOURCE_GROUP).")],
    management: Annotated[
        str, typer.Option(help="Where Azure Resource Manager is.")
    ] = "https://management.azure.com",
    as_json: console.Json = False,
) -> None:
    """Compare what Azure has with infra/main.bicep: queues, events, accounts, every grant.

    Reads only; the role Reader on the resource group is enough.
    """
    from cleanroom.urls import https_url
    from party import deployed, findings
    from party.cloud import arm
    from party.deploying import group_name, subscription_id
    from party.errors import option

    base = option(https_url("", "https://management.azure.com"), management, "--management")
    where = option(subscription_id, subscription, "--subscription")
    path = f"/subscriptions/{where}/resourceGroups/{option(group_name, group, '--group')}"
    found = list(deployed.examine(arm.Arm(base, arm.signed_in).deployed(path)))
    findings.report(group, found, as_json=as_json)
