"""Who is served next."""
