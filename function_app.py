"""Where Azure Functions finds the control plane: registers the blueprints, nothing else."""

import azure.functions as func

from functions import health, outcomes, triggers
from functions.api import routes

app = func.FunctionApp()
app.register_functions(routes.blueprint)
app.register_functions(health.blueprint)
app.register_functions(outcomes.blueprint)
app.register_functions(triggers.blueprint)
