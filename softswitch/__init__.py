"""The switch: configuration, store, routing, call control and their assembly into one service."""
