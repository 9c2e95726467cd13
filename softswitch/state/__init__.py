"""The state file: its model, where its lines are, what it must obey, applying and exporting it.

``model`` is the form, ``locate`` reads YAML and remembers lines, ``merge`` lays files over what
the store has, ``check`` looks at the whole, ``read`` and ``write`` speak with the store,
``difference`` says what changes, ``apply`` and ``export`` are the two commands.
"""
