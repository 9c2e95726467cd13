"""The programs that the switch is measured beside, started with settings of our own."""
