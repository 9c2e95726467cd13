"""The portal's pages: parse, one await, render."""
