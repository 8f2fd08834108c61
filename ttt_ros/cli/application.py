"""The application that the commands belong to, and what becomes of their errors."""

import sys

import typer
from rich.console import Console

from ttt_ros.errors import TttRosError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Robot policies that keep learning while they run.")
console = Console(stderr=True)

FAILED = 1
COULD_NOT_RUN = 2


def main() -> None:
    """Entry point; an error that the user can mend is one line, not a traceback."""
    try:
        app()
    except TttRosError as error:
        console.print(f"error: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(COULD_NOT_RUN)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("rclpy", "ament_index_python", "ttt_ros"):
            raise
        console.print(f"error: {error}; this command needs ROS 2 and the built messages, see README.md", style="red", soft_wrap=True)
        sys.exit(COULD_NOT_RUN)
