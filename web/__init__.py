"""The portal: a thin own layer on Klein, server-rendered pages, server-sent events."""
