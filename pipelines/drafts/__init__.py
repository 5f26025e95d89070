"""What rules can say of a video from its captions, for a person to better: words that stand for it, its edges, its best moments."""
