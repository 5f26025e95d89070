"""What changed at a competitor: from readings to changes that are worth a sentence. Pure: nothing here reads or writes."""
