"""SQL reads of the portal: functions of a session and an account that return plain values."""
