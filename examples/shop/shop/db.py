"""The database connection."""

import sqlite3


def connect() -> sqlite3.Connection:
    """Return a connection whose rows can be read by name."""
    db = sqlite3.connect("shop.db")
    db.row_factory = sqlite3.Row
    return db
