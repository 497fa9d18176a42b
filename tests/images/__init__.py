"""Tests of the images room; a package, so that they share their pictures."""
