"""`python -m lunary_dash.supervisor [stop]`: what `make run`, `make stop` and `manage.py up` do."""

import sys

from lunary_dash.env import BadSetting
from lunary_dash.supervisor import terminal
from lunary_dash.supervisor.connection import move
from lunary_dash.supervisor.instance import Instance, Lock, stop
from lunary_dash.supervisor.interrupts import Interrupts
from lunary_dash.supervisor.problems import StartError, disk_full, is_disk_full
from lunary_dash.supervisor.run import Supervisor


def up(instance: Instance) -> None:
    """Run an instance until it is asked to stop."""
    instance.make_data_dir()
    lock = Lock(instance)
    after_kill = lock.take()
    move(instance.data_dir, instance.url)
    Supervisor(instance, Interrupts()).run(lock, after_kill=after_kill)


def main(words: list[str]) -> int:
    """Do what the words say and return the exit status; every foreseeable problem is one line."""
    instance = Instance.from_environment()
    try:
        if words == ["stop"]:
            terminal.say(stop(instance))
        else:
            up(instance)
    except StartError as error:
        print(f"Lunary Dash: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not is_disk_full(error):
            raise
        print(f"Lunary Dash: {disk_full(instance.data_dir)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadSetting as bad:
        print(f"Lunary Dash: {bad}", file=sys.stderr)
        sys.exit(1)
