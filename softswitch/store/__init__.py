"""Persistence: models, migrations, and the thread pools through which the reactor reaches them."""
