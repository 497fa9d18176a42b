"""The config: :mod:`model` describes each key, :mod:`load` reads and checks it,
:mod:`reference` writes the reference page, the commented template and the JSON schema from it."""
