"""The ten questions about a problem, each with its answers and with help for newcomers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    value : str
        In ``choose_method(question=value)``.
    text : str
        In pictures and printed text.
    """

    value: str
    text: str


@dataclass(frozen=True)
class Question:
    """One question.

    Parameters
    ----------
    key : str
        The parameter of ``choose_method``.
    text : str
        The question.
    help : str
        What it means, for someone who has never heard of it.
    example : str
        A case, and how the answer is found.
    answers : tuple of Answer
        All that there are.
    usual : str
        The value that is presumed where nothing is known: the careful one.
    """

    key: str
    text: str
    help: str
    example: str
    answers: tuple[Answer, ...]
    usual: str

    def answer(self, value):
        """Return the answer of a value, or None."""
        return next((answer for answer in self.answers if answer.value == value), None)


_ASKED = (
    Question(
        "target_labels",
        "Are there labels in the target?",
        "The source is where your labels come from, the target where predictions are wanted. "
        "Labels of target rows are worth more than any method: they tell which model is right.",
        "A new clinic, and a nurse who has looked at thirty of its patients: a few. With some "
        "hundred rows of each class there are enough to learn from the target alone.",
        (
            Answer("none", "none"),
            Answer("few", "a few"),
            Answer("many", "enough to learn from"),
        ),
        "none",
    ),
    Question(
        "arrival",
        "Do target rows come as one batch or as a stream?",
        "A batch is a set of rows that is there when you train. A stream brings rows one after "
        "the other, and each wants its answer before the next one comes.",
        "Last month's patients in a file are a batch. Alarms that a machine sends are a stream; "
        "the alarms of a whole week are a batch again.",
        (Answer("batch", "one batch"), Answer("stream", "a stream")),
        "batch",
    ),
    Question(
        "source",
        "Are the source rows still there?",
        "Most methods look at rows of both domains while they train. Where the source may not "
        "leave its place, only a model that was trained on it can come along.",
        "A hospital gives away its model and no patient: gone.",
        (Answer("there", "yes"), Answer("gone", "no, a fitted model alone")),
        "there",
    ),
    Question(
        "task",
        "Is a class or a number predicted?",
        "A class is one of a few names. A number has an order and distances: a price, a dose, "
        "a concentration.",
        "Ill or healthy is a class, also where it is written as 0 and 1. Fine dust in the air is a "
        "number.",
        (Answer("class", "a class"), Answer("number", "a number")),
        "class",
    ),
    Question(
        "classes",
        "Are the classes the same in both domains?",
        "A model knows the classes of the source alone. Where the target has fewer, aligning pulls "
        "target rows onto classes that are not there; where it has new ones, they are given to "
        "old ones.",
        "Letters in the source and only vowels in the target: fewer. A new kind of fault that no "
        "engineer has named yet: new ones.",
        (
            Answer("same", "the same"),
            Answer("fewer", "the target has fewer"),
            Answer("new", "the target has new ones"),
        ),
        "same",
    ),
    Question(
        "proportions",
        "Did the proportions of the classes move?",
        "An illness is more frequent here, fraud is rarer this year. Then most methods harm: "
        "they take moved proportions for moved columns and mix the classes up.",
        "Ask whoever knows the target how frequent each class is, or look at the kind that "
        "diagnose names: label shift is the case where nothing but the proportions moved.",
        (
            Answer("kept", "no"),
            Answer("alone", "yes, and nothing else"),
            Answer("also", "yes, and columns too"),
        ),
        "kept",
    ),
    Question(
        "overlap",
        "Do the domains overlap?",
        "What counts is whether a plain model of the source is at home among the target rows. One "
        "column that names the domain lets it be told apart, and need not matter to the labels.",
        "Patients of all ages here, and only old ones there: enough. The same digits by another "
        "camera: hardly. diagnose tests whether rows can be told apart, and whether plain models "
        "contradict themselves among neighbouring target rows.",
        (
            Answer("whole", "wholly: nothing tells them apart"),
            Answer("enough", "enough: nothing tells of errors"),
            Answer("little", "hardly: plain models err there"),
        ),
        "little",
    ),
    Question(
        "sources",
        "Are there several sources?",
        "Rows that were collected in different ways are several sources: clinics, instruments, "
        "years, people. With several, one can be left out to see how well a new one is met.",
        "Three hospitals with labels and a fourth one without: several.",
        (Answer("one", "one"), Answer("several", "several")),
        "one",
    ),
    Question(
        "data",
        "What are the rows?",
        "In a table of measurements each column means something of its own. Counts of words, "
        "pixels and what a network makes of a photograph are vectors, whose columns mean little "
        "alone. Adapting gained on these, and hardly ever on tables of measurements.",
        "Age, weight and pulse: a table. TF-IDF of reviews, embeddings: vectors. Files of "
        "photographs: images. A sensor's values over time: series.",
        (
            Answer("table", "a table: measurements"),
            Answer("vectors", "vectors: words, pixels, features"),
            Answer("images", "images: photographs"),
            Answer("series", "series: values over time"),
        ),
        "table",
    ),
    Question(
        "harm",
        "What does harm cost?",
        "An adapted model can be worse than one that never saw the target, without a sign in the "
        "losses. Where that would be dear, take a method that stays with plain models.",
        "A diagnosis, a credit: much. A first guess that a person looks at: little.",
        (Answer("much", "much"), Answer("little", "little: a gain is worth a risk")),
        "much",
    ),
)
QUESTIONS = {question.key: question for question in _ASKED}
