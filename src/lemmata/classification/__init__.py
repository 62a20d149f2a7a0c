"""Classification: losses that mean something."""

from lemmata import _parts
from lemmata.classification._multilabel import *

_parts.publish(__name__)
