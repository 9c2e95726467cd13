"""Write commands: functions on a Session that check, change, and write History.

The caller owns the transaction (``softswitch.commands``); a refusal is an exception so that it
rolls back whatever the command had already written (docs/decisions/refusals-roll-back.md).
"""
