"""How the child ends: what can be wrong, and the exit status that tells it to who started the child."""

SOUND = 10  # the sound is not what was promised; the sentence is the last line on standard error
MODEL = 11  # the model cannot be loaded, or not be used for this; likewise
MEMORY = 12
ROOM = 13  # the disk is full


class UnusableSound(Exception):
    """The file is not the sound that was promised."""


class UnusableModel(Exception):
    """The model cannot be loaded, or not be used for this."""
