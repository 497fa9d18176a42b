"""Focus Audit: finds out with numbers whether an image classifier looks at the object it names."""

__version__ = "0.1.0"
