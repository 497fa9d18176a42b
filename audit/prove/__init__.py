"""The proving ground: what the audit finds in models of which the truth is known.

Small networks are trained on rendered worlds in which a shortcut gives one class away, or nothing
does. Whether a network came to rely on it is measured by rendering its pictures again with one part
swapped; then the package's own audit is run on it, and its verdicts are counted against that truth.

- :mod:`.worlds` draws and renders pictures; :mod:`.shortcuts` and :mod:`.textures` what is planted.
- :mod:`.train`: the networks. :mod:`.truth`: whether one relies on the shortcut.
- :mod:`.trial`: one model from the world to the verdicts; :mod:`.plan`: which models;
  :mod:`.campaign`: all of them, resumable; :mod:`.results`, :mod:`.page`, :mod:`.curve`: rates,
  the page and its picture.
- :mod:`.own_campaign`: the same on a user's own model and images, which :mod:`.own` reads and
  plants into; :mod:`.refit`: the head that is fitted anew; :mod:`.power`: how probable a flag is.

To add a kind of shortcut or a texture, add a function with its decorator to :mod:`.shortcuts` or
:mod:`.textures`, and cells with it to a plan.
"""
