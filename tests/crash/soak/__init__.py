"""The long crash suite: real processes and servers under seeded load and seeded faults, and an oracle that looks at what is left."""
