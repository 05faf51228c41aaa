"""What an issue is and what becomes of it: pure functions of values, which call nothing."""
