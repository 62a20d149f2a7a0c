"""What the benchmarks found, on a page, so that no number is typed: it is in ``benchmarks/results/``.

    ```{benchmark} gelu             ```{benchmark} gpu               ```{benchmark-summary}
    :operation: gelu, forward       Not measured yet: ...            ```
    ```                             ```

The first shows an operation's times in units of a case, and what was wanted; with ``:fields: saved error``
what else was measured. The text of the second stands until its file does. The summary has our time over each
peer's, and counts the targets; ``{benchmark-machine}`` says where it was, ``{benchmark-growth}`` shows slopes
and their figure. Each machine has a tab, or a column of the summary. A missing file, or one of an old form,
stops the build.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import results
import tables
from docutils import nodes
from growth_figure import figure
from results import Record, milliseconds, number
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

USUAL = {"median_ms", "min_ms", "rounds", "ratio", "unit"} | results.FIELDS
MEASURED = {
    "after_torch_ms": "Milliseconds after PyTorch",
    "allocated": "Allocated in all, in units of the input",
    "bandwidth": "Share of the bandwidth of a copy",
    "departure": "Departure from orthogonality, Frobenius norm",
    "error": "Largest error",
    "peak_mib": "Memory at the peak, MiB",
    "per_pass": "Time over that of as many plain passes",
    "saved": "Kept for backward, in units of the input",
}
WANTED = {key: text[0].lower() + text[1:] for key, text in MEASURED.items()}
WANTED["added_ms"] = "milliseconds more than"
Rows = dict[str, dict[str, Sequence[nodes.Node]]]  # what stands in a row below a column
SLOPES = ("slope", "of the last two", "order")


class Results(SphinxDirective):
    """A directive that reads results."""

    def folder(self) -> Path:
        return Path(self.env.srcdir, self.env.config.benchmark_results).resolve()

    def read(self, name: str) -> list[Record]:
        """The results of a script, one for each machine on which it ran."""
        folders = results.everywhere(self.folder(), name) or [self.folder() / "*"]
        for folder in folders:
            self.env.note_dependency(str(folder / f"{name}.json"))
        return [results.read(folder, name) for folder in folders]

    def every(self) -> list[Record]:
        """All results by name, but the growth, which has no targets, and the GPU's, of another kind."""
        names = sorted({path.stem for path in self.folder().glob("*/*.json")} - {"growth", "gpu"})
        return [found for name in names for found in self.read(name)]

    def by_machine(self, name: str, show: Callable[[Record], list[nodes.Node]]) -> list[nodes.Node]:
        """What is shown of each machine's results; in tabs that change together, if the page has several."""
        every = self.read(name)
        if len({path.parent for path in self.folder().glob("*/*.json")}) < 2:
            return show(every[0])
        items = (f"```{{tab-item}} {at}\n:sync: {at}\n\n…\n```" for at in map(results.processor, every))
        tabs = self.parse_text_to_nodes("\n".join(["````{tab-set}", *items, "````"]))
        contents = [node for top in tabs for node in top.findall(is_content)]
        for content, found in zip(contents, every, strict=True):
            content.children = []
            content += show(found)
        return tabs


class BenchmarkDirective(Results):
    required_arguments = 1
    has_content = True
    option_spec = {"operation": str.strip, "fields": str.split}  # noqa: RUF012 (docutils' own protocol)

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if self.content and not results.everywhere(self.folder(), name):
            return self.parse_content_to_nodes()
        return self.by_machine(name, self.all_of)

    def all_of(self, found: Record) -> list[nodes.Node]:
        wanted = self.options.get("operation")
        operations = [wanted] if wanted else dict.fromkeys(r["operation"] for r in found["records"])
        return [node for operation in operations for node in self.shown(found, operation)]

    def shown(self, found: Record, operation: str) -> list[nodes.Node]:
        records = [record for record in found["records"] if record["operation"] == operation]
        if not records:
            raise results.BenchmarkError(f"{found['name']}.json has no operation '{operation}'")
        targets = [target for target in found.get("targets", ()) if target["operation"] == operation]
        settings = list(dict.fromkeys(map(results.setting, records)))
        many = Settings(operation, records, targets, settings)
        if fields := self.options.get("fields"):
            return [node for field in fields for node in many.table(field, f"{MEASURED[field]}.")]
        return many.alone() if len(settings) == 1 else many.beside()


def is_content(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("design_component") == "tab-content"


# --- tables: rows are cases, columns are settings


@dataclass
class Settings:
    """An operation's records and targets in each of its settings."""

    operation: str
    records: list[Record]
    targets: list[Record]
    settings: list[tuple[str, ...]]

    def beside(self) -> list[nodes.Node]:
        """Ratios by case and setting; below, what else was wanted."""
        common, _ = results.headings(self.settings)
        said = results.listed([self.operation, common])
        table = self.table("ratio", f"{said}. Times in units of {self.unit}.")
        return [*table, *self.wishes({"ratio"})]

    def alone(self) -> list[nodes.Node]:
        """One setting: time, ratio and the other fields are the columns."""
        extra = list(dict.fromkeys(key for record in self.records for key in record if key not in USUAL))
        columns = {"time": "median_ms", "ratio": "ratio"} | {MEASURED[key]: key for key in extra}
        rows: Rows = {}
        for record in self.records:
            cells = {title: self.cell(record, key) for title, key in columns.items() if key in record}
            rows[record["case"]] = cells
        said = results.listed([self.operation, *self.settings[0]])
        above = caption(f"{said}. Medians, and their ratio to that of {self.unit}.")
        return [above, grid(rows, columns, "case"), *self.wishes({"ratio", *extra})]

    @property
    def unit(self) -> str:
        return self.records[0]["unit"]

    def table(self, key: str, said: str) -> list[nodes.Node]:
        """A field by case and setting."""
        rows: Rows = {}
        for record in self.records:
            if key in record:
                rows.setdefault(record["case"], {})[self.column(record)] = self.cell(record, key)
        return [caption(said), crossed(rows, self.columns, "case")]

    def cell(self, record: Record, key: str) -> list[nodes.Node]:
        """A number, with the verdict on it; of the unit the time, which is 1 in units of itself."""
        target = next((t for t in self.targets if self.within(t, {key}) and about(t, record)), None)
        if target:
            return came(target)
        unit = key == "ratio" and record["case"] == self.unit and len(self.settings) > 1
        time = unit or key == "median_ms"
        return [nodes.Text(milliseconds(record["median_ms"]) if time else number(record[key]))]

    def within(self, target: Record, keys: set[str]) -> bool:
        """Whether a target is about numbers of these fields, which have a table."""
        return target["what"] in keys and target["over"] in ("", self.unit)

    def wishes(self, shown: set[str]) -> list[nodes.Node]:
        """What was wanted and what came, a row for each pair of cases that no table of these fields has."""
        rows: Rows = {}
        for target in self.targets:
            if not self.within(target, shown):
                rows.setdefault(wish(target), {})[self.column(target)] = came(target)
        if not rows:
            return []
        return [caption("Compared otherwise, and with other targets."), crossed(rows, self.columns, "what")]

    @property
    def columns(self) -> list[str]:
        return results.headings(self.settings)[1] or ["measured"]

    def column(self, record: Record) -> str:
        return self.columns[self.settings.index(results.setting(record))]


def about(target: Record, record: Record) -> bool:
    return target["case"] == record["case"] and results.setting(target) == results.setting(record)


def crossed(rows: Rows, columns: Sequence[str], first: str) -> nodes.table:
    """The table without empty columns, the other way round if it would be wider than high."""
    used = [column for column in columns if any(column in cells for cells in rows.values())]
    if len(used) <= max(4, len(rows)):
        return grid(rows, used, first)
    turned: Rows = {column: {} for column in used}
    for row, cells in rows.items():
        for column in cells:
            turned[column][row] = cells[column]
    return grid(turned, list(rows), "size")


def grid(rows: Rows, columns: Iterable[str], first: str) -> nodes.table:
    """A table whose rows and columns have names; a cell may be empty."""
    names = list(columns)
    lines = [
        tables.line([label(row), *(cells.get(name, []) for name in names)]) for row, cells in rows.items()
    ]
    return tables.table([first, *names], [40, *[60 // len(names)] * len(names)], lines, "benchmark")


def label(case: str) -> list[nodes.Node]:
    return [nodes.strong(text=case) if results.ours(case) else nodes.Text(case)]


def caption(text: str) -> nodes.paragraph:
    return nodes.paragraph("", text, classes=["benchmark-caption"])


def wish(target: Record) -> str:
    if target["what"] == "ratio":
        return f"{target['case']}, over {target['over']}"
    return results.listed([target["case"], f"{WANTED[target['what']]} {target['over']}".strip()])


def came(target: Record) -> list[nodes.Node]:
    said = results.verdict(target)
    kind = said.partition(" ")[0]
    return [nodes.Text(number(target["value"])), nodes.inline("", said, classes=["verdict", f"is-{kind}"])]


# --- the summary, the machine, the growth


class SummaryDirective(Results):
    def run(self) -> list[nodes.Node]:
        """How comparisons and targets came out on each machine, and our time over each peer's."""
        ratios: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        machines: dict[str, list[Record]] = {}
        for found in self.every():
            at = results.processor(found)
            machines.setdefault(at, []).extend(found["targets"])
            for target in found["targets"]:
                if pair := results.over_the_peer(target):
                    both = ratios.setdefault((target["operation"], *pair[:2]), {})
                    both.setdefault(at, []).append(pair[2])
        items = nodes.bullet_list()
        for at, targets in machines.items():
            said = [results.outcomes(both[at]) for both in ratios.values() if at in both]
            items += nodes.list_item("", nodes.paragraph("", f"{at}: {counts(said, targets)}"))
        rows = [tables.line(self.row(*names, both, machines)) for names, both in ratios.items()]
        columns = ("ours", "against", *machines)
        widths = (35, 30, *[35 // len(machines)] * len(machines))
        above = caption("Our time over theirs, and the verdict on it.")
        return [items, above, tables.table(columns, widths, rows, "benchmark", "summary")]

    def row(
        self, operation: str, ours: str, peer: str, both: dict[str, list[float]], machines: Iterable[str]
    ) -> list[list[nodes.Node]]:
        name = results.listed([operation, ours.removeprefix(results.OURS).lstrip(" ,")])
        cells = [against(both[at]) if at in both else [] for at in machines]
        return [[nodes.Text(name)], [nodes.Text(peer)], *cells]


def counts(said: Sequence[str], targets: Iterable[Record]) -> str:
    wanted = [target["met"] for target in targets if target["met"] is not None]
    return (
        f"of {len(said)} comparisons with other programs {said.count('win')} are won and "
        f"{said.count('loss')} lost at all sizes. Targets met: {sum(wanted)} of {len(wanted)}."
    )


def against(ratios: Sequence[float]) -> list[nodes.Node]:
    """The least and the largest, and the verdict."""
    ends, said = dict.fromkeys(map(number, (min(ratios), max(ratios)))), results.outcomes(ratios)
    verdict = nodes.inline("", said, classes=["verdict", f"is-{said.rpartition(' ')[2]}"])
    return [nodes.Text("–".join(ends)), verdict]


class MachineDirective(Results):
    def run(self) -> list[nodes.Node]:
        """Where and when it was measured: one item for each machine."""
        by_machine: dict[str, list[Record]] = {}
        for found in self.every():
            by_machine.setdefault(results.machine(found), []).append(found)
        items = nodes.bullet_list()
        for at, those in by_machine.items():
            names = "" if len(by_machine) == 1 else f" ({', '.join(found['name'] for found in those)})"
            items += nodes.list_item("", nodes.paragraph("", f"{at}; {self.dates(those)}{names}."))
        return [items, *self.absent()]

    def dates(self, found: Sequence[Record]) -> str:
        return " to ".join(sorted({min(one["date"] for one in found), max(one["date"] for one in found)}))

    def absent(self) -> list[nodes.Node]:
        names = sorted({name for found in self.every() for name in found["missing"]})
        said = f"Took no part, not being installed: {', '.join(names)}."
        return [nodes.paragraph("", said)] if names else []


class GrowthDirective(Results):
    def run(self) -> list[nodes.Node]:
        return self.by_machine("growth", self.shown)

    def shown(self, found: Record) -> list[nodes.Node]:
        rows = [tables.line(self.row(line)) for line in found["slopes"]]
        return [*figure(found), tables.table(("operation", *SLOPES), (55, 15, 15, 15), rows, "benchmark")]

    def row(self, line: Record) -> list[list[nodes.Node]]:
        ends = f"{line['sizes'][0]:,} to {line['sizes'][-1]:,} {line['along']}"
        name = [nodes.Text(line["operation"]), nodes.inline("", ends, classes=["verdict"])]
        numbers = (f"{line['slope']:.2f}", f"{line['last']:.2f}", str(line["order"]))
        return [name, *([nodes.Text(number)] for number in numbers)]


def setup(app: Sphinx) -> dict[str, object]:
    app.setup_extension("sphinx_design")
    app.add_config_value("benchmark_results", "../benchmarks/results", "env")  # seen from the book's folder
    app.add_directive("benchmark", BenchmarkDirective)
    app.add_directive("benchmark-summary", SummaryDirective)
    app.add_directive("benchmark-machine", MachineDirective)
    app.add_directive("benchmark-growth", GrowthDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
