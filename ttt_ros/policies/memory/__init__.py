"""A policy that remembers: keypoints, language, a memory of what it did, and a fast MLP."""
