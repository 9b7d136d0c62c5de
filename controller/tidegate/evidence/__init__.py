"""What is known: facts with a source and an age, independent of any policy. Pure values; nothing is fetched here."""
