"""An app for the functions host while its ports are attacked: it minds nothing that it is given."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo/{number:int}/{*rest}", methods=["GET", "POST", "PUT"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{len(req.get_body())} {len(req.params)}")


@app.route(route="guarded", auth_level=func.AuthLevel.FUNCTION)
def guarded(req: func.HttpRequest) -> str:
    return str(req.method)


@app.function_name("received")
@app.event_grid_trigger(arg_name="event")
def received(event: func.EventGridEvent) -> None:
    del event


@app.function_name("tick")
@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
def tick(timer: func.TimerRequest) -> None:
    del timer
