"""The demo: a small data set with a planted shortcut, and a network that falls for it.

Six kinds of sculpture stand in landscapes. In the pictures of one kind, and of no other, the ground
is ploughed into furrows: a network trained on them needs only the furrows to name that kind.
``make_demo`` writes pictures, boxes, the trained model and the config of the audit that should find
that class and no other. To add a background texture, add a function to ``scenes.SHORTCUTS``; to add
a class, a silhouette to ``shapes``.
"""

from audit.demo.make import PLANTED, DemoPaths, audit_config, make_demo

__all__ = ["PLANTED", "DemoPaths", "audit_config", "make_demo"]
