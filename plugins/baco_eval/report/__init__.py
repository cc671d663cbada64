"""What a sweep says: tables, pictures and one page, made of its scores."""
