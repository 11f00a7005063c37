"""The generator of training and evaluation dialogues."""
