"""Teaching the vision trunk to find the cubes and the hand in rendered pictures."""
