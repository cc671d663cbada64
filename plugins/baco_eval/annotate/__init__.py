"""People's ratings: blinded pages to rate texts on, and what the ratings say."""
