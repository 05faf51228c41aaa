"""Finding idle keys: the functions of the scan, and the first look."""
