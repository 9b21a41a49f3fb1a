"""Files: count tables and models, read and written."""
