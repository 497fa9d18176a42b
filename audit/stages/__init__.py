"""The stages of an audit, one a rule of the workflow: they compose the rooms below and do the I/O.

inspect -> index -> explain (a shard) -> score (a shard) -> judge -> confirm, sanity -> summarise
"""
