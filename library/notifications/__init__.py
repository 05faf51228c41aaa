"""What people are told of an issue, in which words, and over which channels."""
