"""The published facts, and runs beside them."""
