"""The version that tables and stored maps carry."""

# Raised when the meaning of a stored column changes; a file of another version is refused.
SCHEMA_VERSION = "1"
