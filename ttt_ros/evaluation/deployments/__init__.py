"""The deployment suite: long runs on robots with hidden properties, for every arm, with intervals and a verdict per target."""
