"""`desk`: what administrators do, each act proved with their password and a code, and ruled on (HK-6, CQ-5, HK-7, TW-2).

The operator's commands (`user`, `group`, `sessions` ...) ask for no proof: whoever can read the store's key needs none.
"""

from collections.abc import Callable, Mapping

from gateway.cli.desk import acts, looking
from gateway.cli.options import COMMAND, new_app

app = new_app("What administrators do, each as itself: --as NAME, its password and a code (HK-6).")

COMMANDS: Mapping[str, Callable[..., None]] = {
    "list": looking.list_users,
    "show": looking.show,
    "history": looking.history,
    "sessions": looking.sessions,
    "groups": looking.groups,
    "alerts": looking.alerts,
    "add": acts.add,
    "change": acts.change,
    "enable": acts.enable,
    "disable": acts.disable,
    "unlock": acts.unlock,
    "setup-link": acts.setup_link,
    "end-session": acts.end_session,
    "import": acts.import_people,
    "set-group": acts.set_group,
    "acknowledge": acts.acknowledge,
}
for _name, _command in COMMANDS.items():
    app.command(_name, **COMMAND)(_command)
