"""Recording runs as bags, judging them by fixed checks, and reporting them with plots."""
