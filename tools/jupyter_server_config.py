"""What `make lab` tells the server of JupyterLab: numbers as on the site, and no save that changes nothing.

A chapter is shown with the site's numbers, which are taken out when it is saved (``lab_text.py``). JupyterLab
saves what was only opened. The pair would then be written in its editor's form: text folded elsewhere, and
versions and lexers in the metadata; a diff of dozens of lines that says nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import lab_text
from chapters import chapters
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupytext import build_async_jupytext_contents_manager_class
from quiet_saves import unchanged


class QuietContentsManager(build_async_jupytext_contents_manager_class(AsyncLargeFileManager)):
    """Jupytext's pairs, shown as the site numbers them, written only when the files say something else."""

    def number(self, path):
        """The number of a chapter; 0 for another file."""
        every = [chapter.notebook.resolve() for chapter in chapters()]
        here = Path(self.root_dir, path.strip("/")).resolve()
        return every.index(here) + 1 if here in every else 0

    async def get(self, path, content=True, type=None, format=None, **more):
        model = await super().get(path, content=content, type=type, format=format, **more)
        number = self.number(path) if content and model["type"] == "notebook" else 0
        return {**model, "content": lab_text.shown(model["content"], number)} if number else model

    async def save(self, model, path=""):
        path = path.strip("/")
        if model["type"] == "notebook" and model.get("content") and self.number(path):
            model = {**model, "content": lab_text.unshown(model["content"])}
        if model["type"] == "notebook" and await self.file_exists(path):
            stored = await super().get(path, type="notebook")
            if unchanged(stored["content"], model["content"]):
                self.log.info("Nothing to save in %s", path)
                return await self.get(path, content=False, type="notebook")
        return await super().save(model, path)


c = get_config()  # noqa: F821  Jupyter puts it here
c.ServerApp.contents_manager_class = QuietContentsManager
