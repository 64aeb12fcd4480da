"""What several benchmarks use: their table, their load, what runs beside them."""
