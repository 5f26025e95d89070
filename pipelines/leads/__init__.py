"""What is made of listings: they are normalised, recognised as leads that are there, judged, and kept. No step, nothing outside."""
