"""The processes that claim steps and run them."""
