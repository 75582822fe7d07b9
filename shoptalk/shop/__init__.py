"""What is sold: catalog, confirmation, orders, price guard."""
