"""`cleanroom doctor`: whether all is as it must be, and what to mend."""

from typing import Annotated

import typer

from party import console
from party.commands import options

AZURE = "https://management.azure.com"
Subscription = Annotated[str, typer.Option(help="The subscription's id.")]
Group = Annotated[str, typer.Option(help="The resource group.")]
Management = Annotated[str, typer.Option(help="Where Azure Resource Manager is.")]

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


@app.command("vault")
def vault(
    subscription: Subscription,
    group: Group,
    runner: Annotated[str, typer.Option(help="Object id of the runner's identity.")],
    administrator: Annotated[
        list[str] | None, typer.Option(help="Object id of somebody who may administer your keys.")
    ] = None,
    management: Management = AZURE,
    as_json: console.Json = False,
) -> None:
    """Compare who has which role on your vault with infra/party/main.bicep.

    Whoever could change what your keys are released for, and was not named, is a finding.
    Reads only; the role Reader on the resource group is enough.
    """
    from party import deploying, findings, guarded
    from party.cloud import arm
    from party.errors import option

    known = [option(deploying.object_id, x, "--administrator") for x in administrator or []]
    asked = option(deploying.object_id, runner, "--runner")
    found = list(guarded.examine(arm.read(subscription, group, management), asked, known))
    findings.report(group, found, as_json=as_json)


@app.command("operator")
def operator(
    subscription: Subscription,
    group: Group,
    management: Management = AZURE,
    as_json: console.Json = False,
) -> None:
    """Compare what Azure has with infra/main.bicep: queues, events, accounts, every grant.

    Reads only; the role Reader on the resource group is enough.
    """
    from party import deployed, findings
    from party.cloud import arm

    found = list(deployed.examine(arm.read(subscription, group, management)))
    findings.report(group, found, as_json=as_json)
