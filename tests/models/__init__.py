"""Tests of the models room; a package, so that they share their networks."""
