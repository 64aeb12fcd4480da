"""What commands read from and show on a terminal. May import `tilefleet`, and `models` to draw."""
