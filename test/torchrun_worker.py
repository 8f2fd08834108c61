"""What each process of ``torchrun`` does in a test: trains together with the others and leaves the checksum that it ended at."""

import os
import sys
from pathlib import Path

from test_training_meta_pipeline import config, trained

if __name__ == "__main__":
    output = Path(sys.argv[1])
    Path(output, f"checksum-{os.environ['RANK']}").write_text(trained(config(), output / "run"))
