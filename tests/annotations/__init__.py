"""Tests of the annotation formats; a package, so that they share their writers."""
