"""One thread, before torch is imported: the order of a sum, hence its last bits, is the same everywhere."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
