"""The order of examples within a section of the gallery: the first ones first, others by name."""

FIRST = ("two_moons.py", "demo.py", "label_shift_in_a_clinic.py", "when_not_to_adapt.py")


class Place:
    """Sorts the examples of a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        """Return the place of an example."""
        return (FIRST.index(name) if name in FIRST else len(FIRST), name)

    def __repr__(self):
        # Sphinx compares settings by this, and builds anew where they differ.
        return type(self).__name__
