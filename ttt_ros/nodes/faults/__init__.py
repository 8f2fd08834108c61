"""Breaking the running system on purpose, over real topics and processes, and measuring what it does about it."""
