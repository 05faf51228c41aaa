"""Reports on the issues: figures, pages, findings and files."""
