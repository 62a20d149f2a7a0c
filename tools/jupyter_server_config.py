"""What `make lab` tells the server of JupyterLab: a save that changes nothing writes nothing.

JupyterLab saves what was only opened. The pair would then be written in its editor's form: text folded
elsewhere, versions and lexers in the metadata; a diff of dozens of lines that says nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupytext import build_async_jupytext_contents_manager_class
from quiet_saves import unchanged


class QuietContentsManager(build_async_jupytext_contents_manager_class(AsyncLargeFileManager)):
    """Jupytext's pairs, written only when cells or outputs differ from what the files say."""

    async def save(self, model, path=""):
        path = path.strip("/")
        if model["type"] == "notebook" and await self.file_exists(path):
            stored = await self.get(path, type="notebook")
            if unchanged(stored["content"], model["content"]):
                self.log.info("Nothing to save in %s", path)
                return await self.get(path, content=False, type="notebook")
        return await super().save(model, path)


c = get_config()  # noqa: F821  Jupyter puts it here
c.ServerApp.contents_manager_class = QuietContentsManager
