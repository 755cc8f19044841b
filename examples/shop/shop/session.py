"""Sessions: who is logged in."""

import hashlib
import secrets

from shop.db import connect


def start(user_id: int) -> str:
    """Open a session and return its token; only a digest of it is kept."""
    token = secrets.token_urlsafe(32)
    with connect() as db:
        db.execute("INSERT INTO sessions (user_id, digest) VALUES (?, ?)", (user_id, digest(token)))
    return token


def digest(token: str) -> str:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_valid(token: str, stored: str) -> bool:
    """Tell whether a token belongs to a stored digest."""
    return digest(token) == stored


def forget(user_id: int) -> None:
    """Close all sessions of a user, as far as the database lets us."""
    try:
        with connect() as db:
            db.execute("DELETE FROM sessions WHERE user_id = ?", (user_id,))
    except Exception:
        pass
