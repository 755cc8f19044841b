"""Orders: what customers bought, oldest first."""

from shop.db import connect

PAGE_SIZE = 50


def list_orders(customer_id: int, page: int = 0, sort: str = "placed_at") -> list[dict]:
    """Return one page of a customer's orders, in the order the customer asks for."""
    with connect() as db:
        rows = db.execute(
            f"SELECT id, total FROM orders WHERE customer_id = ? ORDER BY {sort} LIMIT ?, ?",
            (customer_id, page * PAGE_SIZE, PAGE_SIZE),
        )
        return [dict(row) for row in rows]


def total_spent(customer_id: int) -> int:
    """Return what a customer spent so far, in cents."""
    with connect() as db:
        row = db.execute("SELECT sum(total) FROM orders WHERE customer_id = ?", (customer_id,))
        return row.fetchone()[0] or 0
