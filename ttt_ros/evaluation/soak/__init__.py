"""Very many chunks of closed loop under random faults, with everything that must always hold checked at every tick."""
