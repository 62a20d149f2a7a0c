"""What a notebook's kernel runs first in the tests: a tenth of its time was the search for garbage."""

__import__("gc").set_threshold(100_000, 50, 50)
