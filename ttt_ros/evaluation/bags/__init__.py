"""Replay evaluation: bags in, metrics of several arms on identical input and a verdict out."""
