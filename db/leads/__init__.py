"""Local leads: the businesses they are looked for, searches, what was found, and schedules. A row belongs to whom its client does."""
