"""Tables and files: column schemas, atomic writes, Parquet streams, digests, provenance."""
