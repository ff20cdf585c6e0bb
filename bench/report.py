"""The report of a run: the goals and what was measured, plots, and every table.

Reads results.json, writes report.md beside it. Standard library only; plots where there is matplotlib.
"""

import json
import operator
import statistics
from pathlib import Path

OURS, BASE, PEER, FRESH = "ours", "direct-tls", "pgbouncer", "pgbouncer-fresh"
PEERS = (PEER, FRESH, "haproxy-tcp")

# The client's leg, as it is called in a case's name and in words.
LEGS = {"plain": "plaintext", "tls": "TLS"}

AT_MOST, AT_LEAST = operator.le, operator.ge

COLORS = {
    OURS: "#d1495b",
    BASE: "#30638e",
    "direct-plain": "#8fb8de",
    PEER: "#66a182",
    FRESH: "#9cc5a1",
    "haproxy-tcp": "#edae49",
}

NOTE = """\
Beside ours: the peers. The upstream leg is TLS, but for haproxy-tcp. What is no ratio depends on the machine: those
bounds are also scaled by what the same work costs PgBouncer (a connect: pgbouncer-fresh; latency: direct-tls) here, and
cost it where they were found."""

# What each table shows of a benchmark, and the figure whose ratios it adds.
COLUMNS = {
    "query": ("tps", {"p50_us": "p50 µs", "p99_us": "p99 µs", "tps": "tps", "cpu_us_per_query": "proxy CPU µs/query"}),
    "bulk": (
        "mb_s",
        {
            "mb_s": "MB/s",
            "cpu_s_per_gb": "proxy CPU s/GB",
            "client_cpu_s_per_gb": "client",
            "server_cpu_s_per_gb": "server",
        },
    ),
    "connect": (
        "rate",
        {
            "rate": "rate/s",
            "first_p50_ms": "first answer p50 ms",
            "first_p99_ms": "p99 ms",
            "cpu_ms": "proxy CPU ms",
            "client_cpu_ms": "client CPU ms",
            "errors": "errors",
        },
    ),
    "idle": (
        "rss_kb",
        {
            "open": "sessions",
            "answered": "still answer",
            "rss_kb": "RSS KB/session",
            "pss_kb": "PSS KB/session",
            "base_rss_kb": "RSS KB before",
            "open_per_s": "opened/s",
        },
    ),
}
COLUMNS |= {"bulkfake": COLUMNS["bulk"], "active": COLUMNS["query"]}


class Medians:
    """Of all rounds."""

    def __init__(self, records):
        rounds = {}
        for record in records:
            place = rounds.setdefault((record["bench"], record["case"]), {}).setdefault(record["entry"], {})
            for name, value in record.items():
                if name not in ("bench", "case", "entry", "round"):
                    place.setdefault(name, {})[record["round"]] = value
        self.rounds = rounds
        self.cases = {
            case: {
                entry: {name: statistics.median(values.values()) for name, values in figures.items()}
                for entry, figures in found.items()
            }
            for case, found in rounds.items()
        }

    def get(self, bench, case, entry, name):
        return self.cases.get((bench, case), {}).get(entry, {}).get(name)

    def compared(self, bench, case, entry, base, name, how):
        """The median of what `how` says of the two in each round: a machine that is slower for a while is so for both."""
        ours, theirs = (self.rounds.get((bench, case), {}).get(one, {}).get(name, {}) for one in (entry, base))
        both = [how(value, theirs[turn]) for turn, value in ours.items() if turn in theirs]
        return statistics.median(both) if both and None not in both else None

    def sizes(self, bench):
        """The numbers in the names of its cases, for they differ by --quick."""
        return sorted({int(case.split("=")[1].split()[0]) for name, case in self.cases if name == bench})


def ratio(one, other):
    return None if one is None or not other else one / other


class Goal:
    """A quantity, and how far it is to go. `of` says what it is for an entry: beside ours stand the peers."""

    def __init__(self, number, quantity, compare, bounds, of, scale=None):
        """bounds: must and goal; None where there is none. scale: of costs in seconds, how fast this machine is."""
        self.number, self.quantity, self.of, self.scale = number, quantity, of, scale
        self.compare, (self.must, self.goal) = compare, bounds

    def verdict(self, scale=1.0):
        value = self.of(OURS)
        if value is None or scale is None:
            return "not measured" if value is None else ""
        if self.goal is not None and self.compare(value, self.goal * scale):
            return "pass, goal"
        if self.must is None:
            return "later"
        return "pass" if self.compare(value, self.must * scale) else "**MISS**"

    def row(self, peers):
        sign = "≤ " if self.compare is AT_MOST else "≥ "
        bounds = [sign + shown(bound) if bound is not None else "–" for bound in (self.must, self.goal)]
        scaled = f"{sign}{shown(self.must * self.scale)}: {self.verdict(self.scale)}" if self.scale else ""
        cells = [str(self.number), self.quantity, shown(self.of(OURS)), *bounds, self.verdict(), scaled]
        return "| " + " | ".join(cells + [shown(self.of(peer)) for peer in peers]) + " |"


def goals(medians):
    """The nine goals of performance.md, one quantity a row."""

    def figure(bench, case, name):
        return lambda entry: medians.get(bench, case, entry, name)

    def over(base, bench, case, name, how=ratio):
        return lambda entry: medians.compared(bench, case, entry, base, name, how)

    def scale(entry, bench, case, name, there):
        """By what this entry costs here, and cost where the bounds were found (performance.md)."""
        return ratio(medians.get(bench, case, entry, name), there)

    rows = []

    def add(*columns):
        rows.append(Goal(*columns))

    for server, bench, case, bounds, there in (
        ("the stand-in, 8 KiB records", "bulkfake", "out 8K plain", (1.05, 0.85), 3.0),
        ("PostgreSQL", "bulk", "out plain", (1.35, 1.2), 3.63),
    ):
        what = (bench, case, "cpu_s_per_gb")
        quantity = f"COPY out of {server}, plaintext: proxy CPU s/GB"
        add(1, quantity, AT_MOST, bounds, figure(*what), scale(PEER, *what, there))
    for way, bounds, peer in (("out", (1.0, 1.15), 2.2), ("in", (1.0, 1.1), 3.0)):
        what = ("bulk", f"{way} plain", "mb_s")
        add(2, f"COPY {way}, plaintext: MB/s × direct-tls", AT_LEAST, bounds, over(BASE, *what))
        add(2, f"COPY {way}, plaintext: MB/s × PgBouncer", AT_LEAST, (peer, None), over(PEER, *what))
    for way, bounds, there in (("out", (0.65, 0.75), 4.76), ("in", (0.55, 0.65), 4.57)):
        add(3, f"COPY {way}, TLS: MB/s × direct-tls", AT_LEAST, bounds, over(BASE, "bulk", f"{way} tls", "mb_s"))
        what = ("bulk", f"{way} tls", "cpu_s_per_gb")
        add(3, f"COPY {way}, TLS: proxy CPU s/GB", AT_MOST, (1.7, 1.3), figure(*what), scale(PEER, *what, there))
    for leg, bounds, there in (("plain", (30, 25), 138), ("tls", (60, 45), 108)):
        what = ("query", f"simple c=1 {leg}", "p50_us")
        quantity = f"1 client, {LEGS[leg]}: p50 over direct-tls, µs"
        add(4, quantity, AT_MOST, bounds, over(BASE, *what, operator.sub), scale(BASE, *what, there))
    for leg, cpu, there, tps in (("plain", (33, 28), 38.7, (0.85, 0.9)), ("tls", (36, 30), 57.4, (0.75, 0.8))):
        clients, case = f"16 clients, {LEGS[leg]}", f"simple c=16 {leg}"
        what = ("query", case, "cpu_us_per_query")
        add(5, f"{clients}: proxy CPU µs a query", AT_MOST, cpu, figure(*what), scale(PEER, *what, there))
        add(5, f"{clients}: queries × direct-tls", AT_LEAST, tps, over(BASE, "query", case, "tps"))
    for leg, cpu, there, fresh, direct in (
        ("plain", (0.9, 0.75), 3.43, 2.0, 1.2),
        ("tls", (1.3, 1.1), 4.45, 1.65, 0.9),
    ):
        clients, case = f"8 connecting, {LEGS[leg]}", f"pg c=8 {leg}"
        what = ("connect", case, "cpu_ms")
        add(6, f"{clients}: proxy CPU ms a connect", AT_MOST, cpu, figure(*what), scale(FRESH, *what, there))
        add(6, f"{clients}: rate × pgbouncer-fresh", AT_LEAST, (fresh, None), over(FRESH, "connect", case, "rate"))
        add(6, f"{clients}: rate × direct-tls", AT_LEAST, (direct, None), over(BASE, "connect", case, "rate"))
    for leg, goal in (("plain", 1 / 15), ("tls", 0.4)):
        # By a warm pool, a later issue: there is no must.
        first = over(BASE, "connect", f"pg c=1 {leg}", "first_p50_ms")
        add(7, f"1 connecting, {LEGS[leg]}: time to the first answer × direct-tls", AT_MOST, (None, goal), first)
    for count in medians.sizes("idle"):
        for leg, bounds in (("plain", (13, 9)), ("tls", (17, 12))):
            each = figure("idle", f"n={count} {leg}", "rss_kb")
            add(8, f"{count} idle sessions, {LEGS[leg]}: RSS KB each", AT_MOST, bounds, each)
    for count in medians.sizes("active"):
        clients, case = f"{count} clients, plaintext", f"c={count} plain"
        add(9, f"{clients}: queries × direct-tls", AT_LEAST, (0.83, 0.9), over(BASE, "active", case, "tps"))
        add(9, f"{clients}: p99 × direct-tls", AT_MOST, (0.75, 0.6), over(BASE, "active", case, "p99_us"))
    return rows


def shown(value):
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def goals_table(medians):
    peers = [peer for peer in PEERS if any(peer in found for found in medians.cases.values())]
    head = ["#", "quantity", "ours", "must", "goal", "as written", "must, scaled", *peers]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *(goal.row(peers) for goal in goals(medians))]


def case_table(medians, bench, case, found):
    compared, columns = COLUMNS[bench]
    columns = {name: title for name, title in columns.items() if any(name in figures for figures in found.values())}
    bases = [entry for entry in (BASE, PEER, FRESH) if found.get(entry, {}).get(compared)]
    heads = [*columns.values(), *(f"{columns[compared]} ÷ {base}" for base in bases)]
    lines = ["| entry | " + " | ".join(heads) + " |", "|" + "---|" * (len(heads) + 1)]
    for entry, figures in found.items():
        cells = [shown(figures.get(name)) for name in columns]
        cells += [shown(medians.compared(bench, case, entry, base, compared, ratio)) for base in bases]
        lines.append(f"| {entry} | " + " | ".join(cells) + " |")
    return lines


def write(folder):
    folder = Path(folder)
    results = json.loads((folder / "results.json").read_text())
    medians = Medians(results["records"])
    lines = ["# Benchmarks", ""]
    lines += [f"* {name}: {value}" for name, value in results["environment"].items()]
    lines += ["", "Trust ratios and CPU per unit of work: client, proxies and server share one machine.", ""]
    if results["failures"]:
        lines += ["## Failed", "", *(f"* `{failure}`" for failure in results["failures"]), ""]
    lines += ["## Goals", "", NOTE, ""]
    lines += [*goals_table(medians), ""]
    for plot in plots(medians, folder):
        lines += [f"![{plot}]({plot})", ""]
    for bench in COLUMNS:
        cases = {case: found for (name, case), found in medians.cases.items() if name == bench}
        lines += [f"## {bench}", ""] if cases else []
        for case, found in cases.items():
            lines += [f"**{case}**", "", *case_table(medians, bench, case, found), ""]
    (folder / "report.md").write_text("\n".join(lines))


def plots(medians, folder):
    """The names of the pictures; none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot

    written = []
    for name, planned in pictures(medians).items():
        panels = [panel for panel in planned if bars(medians, *panel[1:])]
        if not panels:
            continue
        size = (3.4 * len(panels), 3.2)
        figure, axes = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
        for axis, (title, *what) in zip(axes[0], panels, strict=True):
            labels, values, colors = zip(*reversed(bars(medians, *what)), strict=True)
            axis.barh(labels, values, color=colors)
            axis.set_title(title, fontsize=9)
            axis.tick_params(labelsize=7)
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)
        written.append(name)
    return written


def pictures(medians):
    """By file, the panels: title, bench, case without its leg, figure."""
    return {
        "query.svg": [
            ("1 client: p50, µs", "query", "simple c=1", "p50_us"),
            ("16 clients: queries/s", "query", "simple c=16", "tps"),
            *((f"{count} clients: queries/s", "active", f"c={count}", "tps") for count in medians.sizes("active")),
            ("16 clients: proxy CPU µs/query", "query", "simple c=16", "cpu_us_per_query"),
        ],
        "copy.svg": [
            ("COPY out: MB/s", "bulk", "out", "mb_s"),
            ("COPY in: MB/s", "bulk", "in", "mb_s"),
            ("COPY out: proxy CPU s/GB", "bulk", "out", "cpu_s_per_gb"),
            ("COPY in: proxy CPU s/GB", "bulk", "in", "cpu_s_per_gb"),
        ],
        "connect.svg": [
            ("8 at a time: connects/s", "connect", "pg c=8", "rate"),
            ("1 at a time: first answer, ms", "connect", "pg c=1", "first_p50_ms"),
            ("8 at a time: proxy CPU ms/connect", "connect", "pg c=8", "cpu_ms"),
        ],
        "idle.svg": [
            (f"{count} idle: RSS KB/session", "idle", f"n={count}", "rss_kb") for count in medians.sizes("idle")
        ],
    }


def bars(medians, bench, case, name):
    """Label, value and colour of each; none where there is no proxy that it could be of."""
    found = []
    for leg, word in LEGS.items():
        for entry in medians.cases.get((bench, f"{case} {leg}"), {}):
            if value := medians.get(bench, f"{case} {leg}", entry, name):
                found.append((f"{entry}, {word}", value, COLORS.get(entry, "#888888")))
    return found
