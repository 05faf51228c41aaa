"""What the commands and the functions are made of, one package per subject."""
