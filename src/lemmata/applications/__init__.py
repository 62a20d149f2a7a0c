"""Applications: the whole of the book on one problem.

Three case studies with real components: images to read, classes that look alike, names to link to entries.
Each takes its losses, masks and estimates from earlier chapters, adds what the problem asks for, and ends
with what did not work.
"""

from lemmata import _parts
from lemmata.applications._captcha import *
from lemmata.applications._entity_linking import *
from lemmata.applications._fine_grained import *

_parts.publish(__name__)
