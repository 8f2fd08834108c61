"""``python -m ttt_ros.cli``."""

from ttt_ros.cli import main

main()
