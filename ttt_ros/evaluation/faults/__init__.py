"""What trials of faults gave: records, verdict, table and page."""
